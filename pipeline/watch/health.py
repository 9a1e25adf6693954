"""What happens to a camera itself: it is gone, sees nothing, stands still or looks elsewhere."""

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
"""Seconds over which the background of now and the usual one are smoothed."""
_SIDE = 32


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


class Moved:
    """Whether a camera looks elsewhere than it did for the last half an hour."""

    def __init__(self) -> None:
        self._now: np.ndarray | None = None
        self._usual: np.ndarray | None = None
        self._seconds = self._start = 0.0
        self._since: float | None = None

    def push(self, seconds: float, small: np.ndarray) -> bool:
        """Take the next frame; whether its background has been another one for long."""
        gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        level = cv2.resize(gray, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
        step, self._seconds = seconds - self._seconds, seconds
        if self._now is None or self._usual is None:
            self._now, self._usual, self._start = level, level, seconds
            return False
        self._now = self._now + (1 - np.exp(-step / _NOW)) * (level - self._now)
        is_other = _correlation(self._now, self._usual) < CORRELATION
        # Until there is a usual one, what is there is taken for it.
        if seconds - self._start < MOVED_SECONDS:
            self._usual = self._now
        elif not is_other:
            self._usual = self._usual + (1 - np.exp(-step / _USUAL)) * (level - self._usual)
        if not is_other or seconds - self._start < MOVED_SECONDS:
            self._since = None
            return False
        self._since = seconds if self._since is None else self._since
        return seconds - self._since >= MOVED_SECONDS


class Health:
    """All that may happen to one camera."""

    def __init__(self) -> None:
        self._black, self._still, self._moved = Black(), Still(), Moved()
        self._is_on: dict[Kind, bool] = dict.fromkeys(("camera_down", "black", "frozen", "moved"), False)

    @property
    def pauses_alarms(self) -> bool:
        """Whether it is black or looks elsewhere, so that its calibration says nothing."""
        return self._is_on["black"] or self._is_on["moved"]

    def push(self, seconds: float, small: np.ndarray) -> list[tuple[Kind, bool]]:
        """Take a frame, uint8 (H, W, 3); what begins or ends with it.

        A black picture often stands still, too; that is the same thing, and told once.
        """
        is_black, is_still = self._black.push(seconds, small), self._still.push(seconds, small)
        return [
            *self._turned("black", is_black),
            *self._turned("frozen", is_still and not self._black.is_dark),
            *self._turned("moved", self._moved.push(seconds, small)),
        ]

    def wait(self, seconds: float) -> list[tuple[Kind, bool]]:
        """Say for how long there was no frame; what begins or ends by that."""
        return self._turned("camera_down", seconds >= DOWN_SECONDS)

    def _turned(self, kind: Kind, is_on: bool) -> list[tuple[Kind, bool]]:
        before, self._is_on[kind] = self._is_on[kind], is_on
        return [(kind, is_on)] if is_on != before else []


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Of two pictures; 1 where one of them has a single level, which is dark or blind and not moved."""
    x, y = a - a.mean(), b - b.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > _SIDE * _SIDE else 1.0
