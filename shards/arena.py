"""Memory in which the frames of a segment are gathered, and become its record without being moved."""

import math
from collections.abc import Sequence

import numpy as np

from shards.npy import NPY_HEADER
from shards.records import BLOCK, parted

_PAGE = 4096
_ROOM = 8 * BLOCK
"""Bytes before and after the frames for all else that stands in a record, which is 4 blocks, seldom more."""


class Arena:
    """Frames of a segment, with room around them.

    A record that is gathered here starts and ends at multiples of 512 bytes of memory, as it does in its
    shard: what a disk asks of bytes that it takes from where they lie.

    Args:
        shape: (F, H, W, 3).

    Attributes:
        frames: uint8 of that shape, not yet filled.
    """

    def __init__(self, shape: tuple[int, int, int, int]) -> None:
        size = math.prod(shape)
        memory = np.empty(_PAGE + _ROOM + NPY_HEADER + size + _ROOM, np.uint8)
        self._memory = memory[-memory.ctypes.data % _PAGE :]
        self._start = _ROOM + NPY_HEADER
        self.frames = self._memory[self._start : self._start + size].reshape(shape)

    def joined(self, pieces: Sequence[bytes | memoryview]) -> memoryview | None:
        """The pieces of a record as one, if its pixels are the first of `frames` as they lie; or None."""
        before, pixels, after = parted(pieces)
        is_here = np.frombuffer(pixels, np.uint8).ctypes.data == self.frames.ctypes.data
        if not is_here or max(len(before) - NPY_HEADER, len(after)) > _ROOM:
            return None
        start, end = self._start - len(before), self._start + len(pixels)
        memory = self._memory.data
        memory[start : self._start] = before
        memory[end : end + len(after)] = after
        return memory[start : end + len(after)]
