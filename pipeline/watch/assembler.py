"""From frames of one camera to windows, the newest of which is scored."""

from collections import deque
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from mnad.evidence import GAP
from pipeline.video.images import resized
from pipeline.video.profiles import Profiler
from pipeline.video.timed import TimedFrame


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A frame, and when it came.

    Attributes:
        frame: it.
        at: on the clock of this process, seconds.
        time: with zone; None of a file, which has no clock.
    """

    frame: TimedFrame
    at: float
    time: datetime | None


@dataclass(frozen=True, kw_only=True)
class Window:
    """T frames in a row without a gap.

    Attributes:
        frames: each uint8 (H, W, 3) BGR, of the model's size.
        last: the frame that it is about.
        profile: of the camera, or None.
        gap: whether the row of frames broke since the window before.
    """

    frames: tuple[np.ndarray, ...]
    last: Arrival
    profile: str | None
    gap: bool


class Assembler:
    """Windows of one camera. They begin anew where those of `MomentStream` do.

    Args:
        window: T.
        size: height and width of what the model sees.
        profiler: of the camera.
    """

    def __init__(self, window: int, size: tuple[int, int], profiler: Profiler) -> None:
        self._size, self._profiler = size, profiler
        self._held: deque[np.ndarray] = deque(maxlen=window)
        self._window = window
        self._before: float | None = None
        self._profile: str | None = None
        self._broke = False

    def push(self, arrival: Arrival) -> Window | None:
        """Take the next frame, later than the one before; the window that it completes."""
        frame = arrival.frame
        is_late = self._before is not None and frame.seconds - self._before > GAP
        self._before = frame.seconds
        if is_late or frame.is_corrupt:
            self._break()
        if frame.is_corrupt:
            return None
        small = frame.small
        if small is None:
            (small,) = resized([frame.picture], self._size)
        before, self._profile = self._profile, self._profiler(replace(frame, picture=small))
        if before is not None and before != self._profile:
            self._break()
        self._held.append(small)
        if len(self._held) < self._window:
            return None
        gap, self._broke = self._broke, False
        return Window(frames=tuple(self._held), last=arrival, profile=self._profile, gap=gap)

    def _break(self) -> None:
        self._held.clear()
        self._broke = True
