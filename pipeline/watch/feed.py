"""How a camera's frames come in: what its reader says, and everybody else reads."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from pipeline.video.timed import RATE_TOLERANCE

State = Literal["connecting", "up", "down", "ended"]


@dataclass
class Feed:
    """The state of one camera's pictures. Its reader writes it, any thread reads it.

    Attributes:
        state: connecting before the first frame; down after a drop; ended with a file.
        reason: why it is down, or empty.
        reconnects: connections that had frames, after the first.
        seen: when the last frame came, on the clock of this process; None before the first.
        shown: when that frame was shown, in seconds of the camera.
        since: when the state began, or its reader was started.
        picture: the last frame, uint8 (H, W, 3) BGR, or None.
        rate: frames per second that are scored, or None.
        expected: frames per second that the model was trained on, or None.
        distrust: why the camera's own times do not count, or empty.
        unrecorded: why nothing comes of the stream that clips are to be of, or empty.
        failure: what ended its reader, which is for the main thread to raise.
    """

    state: State = "connecting"
    reason: str = ""
    reconnects: int = 0
    seen: float | None = None
    shown: float = 0.0
    since: float = field(default_factory=time.monotonic)
    picture: np.ndarray | None = None
    rate: float | None = None
    expected: float | None = None
    distrust: str = ""
    unrecorded: str = ""
    failure: BaseException | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def is_off_rate(self) -> bool:
        """Whether the scored frames are so far from the model's rate that their rarity is not known."""
        if self.rate is None or self.expected is None:
            return False
        return abs(self.rate / self.expected - 1) > RATE_TOLERANCE

    def seconds(self, now: float) -> float | None:
        """Of the camera at a time on the clock of this process, about; None before its first frame."""
        return None if self.seen is None else self.shown + now - self.seen

    def begin(self, now: float) -> None:
        """Its reader is started: whatever was prepared before took none of the camera's time."""
        self.since = now

    def turn(self, state: State, now: float, reason: str = "") -> None:
        """Change the state."""
        if state != self.state:
            self.since = now
        self.state, self.reason = state, reason


def guarded(feed: Feed, work: Callable[[], None], finish: Callable[[], None]) -> Callable[[], None]:
    """What a reader's thread runs: its failure is kept for the main thread, and its end is told."""

    def run() -> None:
        try:
            work()
        except BaseException as error:
            feed.failure = error
        finally:
            finish()

    return run
