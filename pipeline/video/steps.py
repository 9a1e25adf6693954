"""What the times of a file's frames say of its rate, which its header may state wrongly."""

from fractions import Fraction

import numpy as np

RATES = (Fraction(1, 3600), Fraction(1000))
"""Frames per second that are believed."""
_FIELDS = Fraction(2)
"""Frames that hold two fields may lie in two packets, and times that are as many come twice as often."""


def is_even(times: np.ndarray) -> bool:
    """Whether times lie equally far apart, each to a tick of rounding, and so at a rate all the way.

    Args:
        times: int64 (N,), ticks, in any order.
    """
    if times.size < 2:
        return True
    ordered = np.sort(times)
    steps = np.diff(ordered)
    # Where a tick is as long as a frame, a missing frame is no more than rounding; several add up.
    line = np.linspace(ordered[0], ordered[-1], len(ordered))
    return bool(steps.max() - steps.min() <= 1 and np.abs(ordered - line).max() <= 1)


def believed_rate(
    times: np.ndarray, unit: Fraction | None, header: Fraction | None, *, fields: bool
) -> Fraction | None:
    """Frames per second of a file, by the times of its frames where these say another rate than its header.

    Args:
        times: int64 (N,), ticks, in any order.
        unit: of a tick, seconds.
        header: what the header says, or None.
        fields: whether it says that frames are interlaced.

    Returns:
        The header's rate if it explains the times to a tick of rounding, or these are not even; else theirs.
    """
    if unit is None or times.size < 2 or not is_even(times):
        return header
    span, steps = int(times.max() - times.min()), times.size - 1
    if not span:
        return header

    def explains(rate: Fraction) -> bool:
        return abs(steps / (rate * unit) - span) <= 1

    if header and explains(header):
        return header
    stated = steps / (span * unit)
    whole = Fraction(max(1, round(stated)))
    found = next(filter(explains, (whole, whole * 1000 / 1001)), stated)
    if not RATES[0] <= found <= RATES[1] or (fields and header and explains(header * _FIELDS)):
        return header
    return found
