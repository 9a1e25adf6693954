"""Pictures on their way from a process to another, through memory that both have, a bounded number at a time.

The memory is a file without a name: it is gone with the two processes, however they end. A place in it is
used again as soon as its pictures were taken, and is as large as the pictures that were in it; where none lie
it takes nothing.
"""

import os
import tempfile
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.video.imageheaders import LARGEST_PIXELS

AHEAD_BYTES = 64 << 20
"""The most bytes of pictures that wait, ten of 1920x1080; what is larger waits alone."""
_SPACE = 2 * 3 * LARGEST_PIXELS
"""Bytes between the beginnings of two places: room for the largest picture, and a small one behind it."""


def open_ring() -> int:
    """Descriptor of a new one, for `Putter` and `take` and every process that inherits it."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("frames")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


class Putter:
    """Puts pictures into a ring.

    Args:
        ring: its descriptor.
        most: pictures, or groups of them, that may wait to be taken.
        wait: returns when the oldest one that waits was taken.
    """

    def __init__(self, ring: int, most: int, wait: Callable[[], None]) -> None:
        self._ring, self._most, self._wait = ring, most, wait
        self._waiting: deque[tuple[int, int]] = deque()
        os.ftruncate(ring, 0)

    def put(self, pictures: Sequence[np.ndarray]) -> int:
        """Put pictures uint8 that belong together, at most `LARGEST_PIXELS` each; returns their place."""
        size = sum(picture.nbytes for picture in pictures)
        while self._waiting and (
            len(self._waiting) == self._most or sum(held for _, held in self._waiting) + size > AHEAD_BYTES
        ):
            self._let_go()
        used = {place for place, _ in self._waiting}
        place = next(place for place in range(self._most) if place not in used)
        self._waiting.append((place, size))
        offset = place * _SPACE
        for picture in pictures:
            data = np.ascontiguousarray(picture).data.cast("B")
            while data:
                written = os.pwrite(self._ring, data, offset)
                data, offset = data[written:], offset + written
        return place

    def finish(self) -> None:
        """Return when everything was taken."""
        while self._waiting:
            self._let_go()

    def _let_go(self) -> None:
        self._wait()
        self._waiting.popleft()


def take(ring: int, place: int, sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
    """Copy pictures uint8 (H, W, 3) out of a place.

    Args:
        ring: its descriptor.
        place: that `put` gave.
        sizes: height and width of each.
    """
    offset, pictures = place * _SPACE, []
    for height, width in sizes:
        picture = np.empty((height, width, 3), np.uint8)
        data = picture.data.cast("B")
        while data:
            read = os.preadv(ring, [data], offset)
            assert read  # it was put there
            data, offset = data[read:], offset + read
        pictures.append(picture)
    return pictures
