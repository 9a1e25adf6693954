"""What happens to a camera itself: it is gone, sees nothing, stands still or looks elsewhere."""

from dataclasses import dataclass

import numpy as np

from pipeline.events.event import Kind
from shards.opencv import cv2

DOWN_SECONDS = 10.0
"""Seconds without a frame after which a camera is down; shorter breaks are nobody's business."""
FROZEN_SECONDS = 30.0
BLACK_SECONDS = 30.0
DARK = 20
"""The highest level, of 255, in each channel of a black pixel; compression and a capped lens leave some level
above 0."""
LIT = 0.02
"""The largest share of the pixels that may be brighter in a black picture: what a camera writes on it."""
MOVED_SECONDS = 60.0
CORRELATION = 0.6
"""The correlation of the background with the usual one below which the camera looks elsewhere."""
_NOW, _USUAL = 30.0, 1800.0
"""Seconds over which the background of now and the usual one are smoothed; and after which the former is the
latter."""
_SIDE = 32
_CONTRAST = 10.0
"""The standard deviation of outlines, in levels; a picture of less than one level is not brought up to it."""
_PAUSING: tuple[Kind, ...] = ("black", "moved")
"""In which nobody is told of alarms."""


class Still:
    """Whether a picture stands still: not a bit of it changes, which no sensor does."""

    def __init__(self) -> None:
        self._before: np.ndarray | None = None
        self._since = 0.0

    def push(self, seconds: float, small: np.ndarray) -> bool:
        """Take the next frame; whether the picture has stood still for long."""
        if self._before is None or not np.array_equal(small, self._before):
            self._before, self._since = small, seconds
        return seconds - self._since >= FROZEN_SECONDS


class Black:
    """Whether there is nothing in a picture: the lens is covered, the light is off, or the signal is gone."""

    def __init__(self) -> None:
        self._since: float | None = None
        self.is_dark = False
        """Whether the last frame was."""

    def push(self, seconds: float, small: np.ndarray) -> bool:
        """Take the next frame; whether the picture has been black for long."""
        self.is_dark = bool((small > DARK).any(axis=2).mean() <= LIT)
        if not self.is_dark:
            self._since = None
        elif self._since is None:
            self._since = seconds
        return self._since is not None and seconds - self._since >= BLACK_SECONDS


@dataclass
class _View:
    """What a camera sees in one profile.

    Attributes:
        now: its background, smoothed over `_NOW`.
        usual: the outline of the same, smoothed over `_USUAL`, whatever it shows.
        seconds: of the last frame.
        seen: seconds of it so far; what lies between two frames that are far apart was not seen.
        other: seconds of it since it began to differ from the usual one.
        origin: the usual one before it did so for long, until that is back; None while it is the usual one.
    """

    now: np.ndarray
    usual: np.ndarray
    seconds: float
    seen: float = 0.0
    other: float = 0.0
    origin: np.ndarray | None = None

    def push(self, seconds: float, level: np.ndarray) -> bool:
        """Take the next frame; whether its background is another one than usual."""
        passed, self.seconds = seconds - self.seconds, seconds
        step = min(passed, DOWN_SECONDS)
        self.seen += step
        self.now = self.now + (1 - np.exp(-passed / _NOW)) * (level - self.now)
        if self.seen < MOVED_SECONDS:  # until there is a usual one, what is there is taken for it
            self.usual = _outline(self.now)
            return False
        is_other = _correlation(self.now, self.usual) < CORRELATION
        if self.other >= _USUAL:  # it has been there for all that time
            self.usual, is_other = _outline(self.now), False
        self.other = self.other + step if is_other else 0.0
        if self.other >= MOVED_SECONDS and self.origin is None:
            self.origin = self.usual
        self.usual = self.usual + (1 - np.exp(-step / _USUAL)) * (_outline(level) - self.usual)
        if self.origin is not None and not self.other and self._is_back(self.origin):
            self.origin = None
        return is_other

    def _is_back(self, origin: np.ndarray) -> bool:
        """Whether it shows what it once did, and that is the usual again."""
        return all(_correlation(each, origin) >= CORRELATION for each in (self.now, self.usual))


class Moved:
    """Whether a camera looks elsewhere than it did for the last half an hour, in the profile of its frames.

    A view that stays becomes the usual one, after half an hour at the latest.
    """

    def __init__(self) -> None:
        self._views: dict[str | None, _View] = {}
        self._is_on = False
        self.has_stayed = False
        """Whether the usual view of the last frame's profile is another one than it once was."""

    def push(self, seconds: float, small: np.ndarray, profile: str | None = None) -> bool:
        """Take the next frame; whether its background has been another one for long."""
        gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        level = cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
        view = self._views.get(profile)
        if view is None:
            view = self._views[profile] = _View(now=level, usual=_outline(level), seconds=seconds)
        # A camera that was turned by day is so by night, too, and need not be found out again.
        self._is_on = view.push(seconds, level) and (self._is_on or view.other >= MOVED_SECONDS)
        self.has_stayed = view.origin is not None and not view.other
        return self._is_on


class Health:
    """All that may happen to one camera."""

    def __init__(self) -> None:
        self._black, self._still, self._moved = Black(), Still(), Moved()
        self._is_on: dict[Kind, bool] = dict.fromkeys(("camera_down", "black", "frozen", "moved"), False)

    @property
    def pausing(self) -> Kind | None:
        """Why alarms pause: `black` or `moved`, of which a calibration says nothing; None if they do not."""
        return next((kind for kind in _PAUSING if self._is_on[kind]), None)

    @property
    def has_new_view(self) -> bool:
        """Whether it looks elsewhere than it once did, for so long that this is the usual view by now."""
        return self._moved.has_stayed

    def push(self, seconds: float, small: np.ndarray, profile: str | None = None) -> list[tuple[Kind, bool]]:
        """Take a frame, uint8 (H, W, 3), of a profile; what begins or ends with it.

        A black picture often stands still, too; that is the same thing, and told once.
        """
        is_black, is_still = self._black.push(seconds, small), self._still.push(seconds, small)
        return [
            *self._turned("black", is_black),
            *self._turned("frozen", is_still and not self._black.is_dark),
            *self._turned("moved", self._moved.push(seconds, small, profile)),
        ]

    def wait(self, seconds: float) -> list[tuple[Kind, bool]]:
        """Say for how long there was no frame; what begins or ends by that."""
        return self._turned("camera_down", seconds >= DOWN_SECONDS)

    def _turned(self, kind: Kind, is_on: bool) -> list[tuple[Kind, bool]]:
        before, self._is_on[kind] = self._is_on[kind], is_on
        return [(kind, is_on)] if is_on != before else []


def _outline(level: np.ndarray) -> np.ndarray:
    """A picture of a contrast that all have: so a bright one does not outweigh a dim one in a mean."""
    centred = level - level.mean()
    outline: np.ndarray = centred * (_CONTRAST / max(1.0, float(centred.std())))
    return outline


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of two pictures; 1 where one of them has a single level, which is dark or blind and not moved."""
    x, y = a - a.mean(), b - b.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > _SIDE * _SIDE else 1.0
