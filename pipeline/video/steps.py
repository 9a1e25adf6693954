"""What the times of a file's frames say of its rate, which its header may state wrongly."""

from fractions import Fraction

import numpy as np

RATES = (Fraction(1, 3600), Fraction(1000))
"""Frames per second that are believed."""
LOOKED_AT = 100
"""Frames whose times are held against the header's rate where not all are known, or these are uneven: they
tell it to 1 in 2,000."""
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


def rate_of_file(
    times: np.ndarray, unit: Fraction | None, header: Fraction | None, *, fields: bool
) -> Fraction | None:
    """Frames per second of a file, by the one rule for whoever has read it through or only its beginning.

    The times of all frames tell the rate where they are even, and otherwise those of the first LOOKED_AT, as
    for whoever knows no others. So both find the same rate, to a tick of rounding over these frames. A header
    that lists the frames is held against them as any other: its rate is the mean over the file, in which a
    last frame of five seconds, or a pause, counts as much as all others, while a model sees how far things
    move from one frame to the next.

    Args:
        times: int64 (N,), ticks, in any order; of all frames, or of the first.
        unit: of a tick, seconds.
        header: what the header says, or None.
        fields: whether it says that frames are interlaced.

    Returns:
        Frames per second; None if the file does not say, or says what cannot be.
    """
    ordered = np.sort(times)
    decisive = ordered if is_even(ordered) else ordered[:LOOKED_AT]
    found = believed_rate(decisive, unit, header, fields=fields)
    return found if found is not None and RATES[0] <= found <= RATES[1] else None


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
