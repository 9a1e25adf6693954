"""Which profile a frame is of: those of one camera look so different that each has a calibration of its own.

A profiler goes through one video, or follows one camera. Which profiles there are is a text: a name, which
all frames are of; `chroma`; or names with times of the day (`pipeline.video.daytimes`).
"""

from collections.abc import Callable
from datetime import datetime, time

import numpy as np

from pipeline.video.daytimes import by_minute, is_by_clock
from pipeline.video.timed import TimedFrame

CHROMA = "chroma"
"""The word that stands in place of a profile's name where each frame is `COLOUR` or `INFRARED`."""
COLOUR, INFRARED = "colour", "infrared"

_SHARE = 0.9
"""The share of the pixels that are gray in a picture without colour; lettering in colour on it takes less
than the rest."""
_GRAY, _COLOURED = 6.0, 12.0
"""The difference between the channels of a pixel, in levels of 255, which so many pixels do not exceed: at
most the first where there is no colour, though compression blurs it, at least the second where there is.
What lies between is as it was before."""
_GRID = 64
"""Pixels that are looked at across and down, at least."""

Profiler = Callable[[TimedFrame], str | None]
"""The profile of the next frame of a video."""


def profiler(profile: str | None) -> Profiler:
    """A new video's or camera's."""
    if is_by_clock(profile):
        return ByClock(str(profile))
    return ByChroma() if profile == CHROMA else lambda _: profile


def profiles(profile: str | None) -> tuple[str | None, ...]:
    """What a profiler may give."""
    if is_by_clock(profile):
        return tuple(dict.fromkeys(by_minute(str(profile))))
    return (COLOUR, INFRARED) if profile == CHROMA else (profile,)


class ByClock:
    """Tells profiles by the time of the day at which a frame comes.

    Args:
        text: as of `by_minute`.
        now: gives the time, by default that of the machine's zone.
    """

    def __init__(self, text: str, now: Callable[[], time] = lambda: datetime.now().time()) -> None:
        self._names, self._now = by_minute(text), now

    def __call__(self, frame: TimedFrame) -> str:
        """The profile of the next frame."""
        now = self._now()
        return self._names[60 * now.hour + now.minute]


class ByChroma:
    """Tells the colour of day from the gray of infrared light."""

    def __init__(self) -> None:
        self._last: str | None = None

    def __call__(self, frame: TimedFrame) -> str:
        """The profile of the next frame."""
        height, width = frame.picture.shape[:2]
        some = frame.picture[:: max(1, height // _GRID), :: max(1, width // _GRID)].astype(np.int16)
        colour = float(np.quantile(some.max(axis=2) - some.min(axis=2), _SHARE))
        if self._last is None:
            self._last = COLOUR if colour >= (_GRAY + _COLOURED) / 2 else INFRARED
        elif colour >= _COLOURED:
            self._last = COLOUR
        elif colour <= _GRAY:
            self._last = INFRARED
        return self._last
