"""What long work calls now and then, so that whoever watches it knows that it is alive and how far it is."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

Heartbeat = Callable[[int, int], None]
"""Called with the frames that are done, and the frames that are expected (0: not known)."""

HEARTBEAT_SECONDS = 0.25
"""The fewest seconds between two signs of life."""


def now_and_then(beat: Heartbeat) -> Heartbeat:
    """A heartbeat that may be called as often as one likes, and passes few of the calls on."""
    last = 0.0

    def called(frames: int, expected: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= HEARTBEAT_SECONDS:
            last = now
            beat(frames, expected)

    return called


class Pulse:
    """A heartbeat that goes on of itself while something else is waited for, such as a storage that takes as
    long as it needs: whoever waits is alive, and has nothing new to tell.

    Args:
        beat: is told.
    """

    def __init__(self, beat: Heartbeat) -> None:
        self._beat = beat
        self._last = 0, 0

    def __call__(self, frames: int, expected: int) -> None:
        """Tell how many frames are done, and how many are expected."""
        self._last = frames, expected
        self._beat(frames, expected)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Within the block, in which nobody else beats, what was told last is told now and then."""
        is_over = threading.Event()

        def go_on() -> None:
            with contextlib.suppress(OSError):  # that nobody listens any more is for the next beat to raise
                while not is_over.wait(HEARTBEAT_SECONDS):
                    self._beat(*self._last)

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()
