"""Pixels as they are, as an npy array."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from shards.codecs.pixelcodec import PixelCodec
from shards.errors import CorruptShardError
from shards.limits import MOST_RECORD_METADATA
from shards.npy import NPY_HEADER, npy_header
from shards.records import BLOCK, entry_header, member, members


class Raw(PixelCodec):
    """Lossless. Nothing is copied: frames are written from where they lie, and read to where they belong."""

    def encode(self, frames: np.ndarray) -> dict[str, list[bytes | memoryview]]:
        """`KEY.npy`; its pixels are a view of the frames."""
        frames = np.ascontiguousarray(frames)
        return {"npy": [npy_header(frames.shape), frames.reshape(-1).data]}

    def head(self, key: str, shape: tuple[int, ...]) -> bytes:
        """The tar header of the array, and its own."""
        return _head(key, shape)

    def decode(self, record: memoryview, key: str, shape: tuple[int, int, int, int]) -> np.ndarray:
        """A view of `record`."""
        return _decode_npy(members(record, key, ["json", "npy"])[-1], shape)

    def decode_into(self, record: memoryview, key: str, frames: np.ndarray) -> None:
        """A copy of what `decode` returns."""
        frames[...] = _decode_npy(members(record, key, ["json", "npy"])[-1], frames.shape)

    def read_into(
        self,
        size: int,
        key: str,
        frames: np.ndarray,
        memory: Callable[[int], memoryview],
        fill: Callable[[Sequence[memoryview]], bool],
    ) -> None:
        """Pixels go where they belong, and what surrounds them elsewhere."""
        start, end = _pixels(size, frames.shape)
        around = memory(start + size - end)
        assert frames.flags.c_contiguous
        if fill([around[:start], frames.reshape(-1).data, around[start:]]):
            _check_around(around, start, key, frames.shape)

    def record_sizes(self, pixels: int, frames: int) -> tuple[int, int]:
        """There are the pixels, and little beside them."""
        return pixels, pixels + MOST_RECORD_METADATA


def _pixels(size: int, shape: tuple[int, ...]) -> tuple[int, int]:
    """Where the pixels of a record of `size` bytes start and end, if it holds frames of `shape`."""
    pixels = math.prod(shape)
    start = size - -(-(NPY_HEADER + pixels) // BLOCK) * BLOCK + NPY_HEADER
    if start < BLOCK + NPY_HEADER:
        raise CorruptShardError(f"a record of {size} bytes cannot hold frames of {shape}")
    return start, start + pixels


def _check_around(around: memoryview, start: int, key: str, shape: tuple[int, ...]) -> None:
    """Check that what surrounds the pixels of a record is what the writer puts there.

    Args:
        around: the bytes before the pixels, and those after them.
        start: how many stand before, as `_pixels` says.
        key: what the record is called.
        shape: (F, H, W, C) of its frames.

    Raises:
        CorruptShardError: it announces something else, or other pixels than those.
    """
    _, entry = member(around[: start - NPY_HEADER], 0, f"{key}.json")
    if around[entry:start] != _head(key, shape) or any(around[start:]):
        raise CorruptShardError(f"found no frames of {shape} where they should be")


def _head(key: str, shape: tuple[int, ...]) -> bytes:
    return entry_header(f"{key}.npy", NPY_HEADER + math.prod(shape)) + npy_header(shape)


def _decode_npy(data: memoryview | bytes, shape: tuple[int, ...]) -> np.ndarray:
    if len(data) != NPY_HEADER + math.prod(shape) or data[:NPY_HEADER] != npy_header(shape):
        raise CorruptShardError(f"found {len(data)} bytes that are no array {shape} of uint8")
    return np.frombuffer(data, np.uint8, offset=NPY_HEADER).reshape(shape)
