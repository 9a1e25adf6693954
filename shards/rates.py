"""How many frames of a video make a second, as the manifest records it."""

import math
import statistics
from collections.abc import Sequence

from shards.entries import Video

MOST_RATIO = 1.1
"""The largest ratio between the frame rates of the fastest and the slowest video at which they count as
equal: 29.97 and 30, or the mean rate of a camera that drops a frame now and then."""


def rate_of(video: Video) -> float | None:
    """Frames per second, or None where they are unknown, as for a folder of images that was given none."""
    return known_rate(video.source.get("rate"))


def known_rate(value: object) -> float | None:
    """Frames per second from what a file says; None where that is not a positive number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        rate = float(value)
    except OverflowError:
        return None
    return rate if 0 < rate < math.inf else None


def common_rate(videos: Sequence[Video]) -> float | None:
    """The rate of videos that all have about the same, their median; None if one has none or they differ."""
    rates = [rate for video in videos if (rate := rate_of(video)) is not None]
    if not rates or len(rates) < len(videos) or max(rates) > MOST_RATIO * min(rates):
        return None
    return statistics.median_low(rates)
