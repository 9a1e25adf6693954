"""What long work calls now and then, so that whoever watches it knows that it is alive and how far it is."""

import time
from collections.abc import Callable

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
