"""Rarities on a logarithmic scale, as pages and overlays draw them."""

import math
from collections.abc import Sequence

_ROUND_HOURS = (1 / 3600, 10 / 3600, 1 / 60, 1 / 6, 1.0, 10.0, 24.0, 240.0)
"""1 s, 10 s, 1 min, 10 min, 1 h, 10 h, a day, 10 days."""


def height(hours: float, low: float, high: float) -> float:
    """How high a rarity lies on a scale from `low` to `high`, in [0, 1]; what lies outside is at its end."""
    if not hours > low:
        return 0.0
    return min(1.0, math.log(hours / low) / math.log(high / low)) if high > low else 1.0


def round_marks(low: float, high: float, taken: Sequence[float], apart: float) -> list[float]:
    """Round rarities to name on a scale, ascending.

    Args:
        low, high: ends of the scale, hours.
        taken: rarities that are named already.
        apart: how far names must lie from one another and from those, as a part of the scale.
    """
    marks: list[float] = []
    for mark in _ROUND_HOURS:
        place = height(mark, low, high)
        others = [height(other, low, high) for other in (*taken, *marks)]
        if low <= mark <= high and all(abs(place - other) >= apart for other in others):
            marks.append(mark)
    return marks
