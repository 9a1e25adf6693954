"""Pixels in a gzip stream of an npy array."""

import gzip
import zlib

import numpy as np

from shards.codecs.pixelcodec import PixelCodec
from shards.errors import CorruptShardError
from shards.npy import NPY_HEADER, npy_header
from shards.records import members

_LEVEL = 1
_SLICE = 1 << 20
"""Bytes that are packed, or unpacked, at a time."""


class Deflate(PixelCodec):
    """Lossless."""

    def encode(self, frames: np.ndarray) -> dict[str, list[bytes | memoryview]]:
        """`KEY.npy.gz`."""
        frames = np.ascontiguousarray(frames)
        array = b"".join([npy_header(frames.shape), frames.reshape(-1).data])
        return {"npy.gz": [gzip.compress(array, _LEVEL, mtime=0)]}

    def decode_into(self, record: memoryview, key: str, frames: np.ndarray) -> None:
        """No more of the stream is unpacked than fits."""
        _inflate_into(members(record, key, ["json", "npy.gz"])[-1], frames)


def _inflate_into(data: memoryview, frames: np.ndarray) -> None:
    """Unpack a gzip stream of an npy array into frames uint8, contiguous; no more of it than fits."""
    assert frames.flags.c_contiguous
    pixels = frames.reshape(-1).data
    stream = zlib.decompressobj(wbits=31)
    head, filled = b"", 0
    try:
        for start in range(0, len(data), _SLICE):
            packed: bytes | memoryview = data[start : start + _SLICE]
            while packed and not stream.eof:
                if len(head) < NPY_HEADER:
                    head += stream.decompress(packed, NPY_HEADER - len(head))
                else:
                    piece = stream.decompress(packed, _SLICE)
                    if filled + len(piece) > len(pixels):
                        raise CorruptShardError("deflate: the stream holds more than the frames")
                    pixels[filled : filled + len(piece)] = piece
                    filled += len(piece)
                packed = stream.unconsumed_tail
            if packed:
                raise CorruptShardError("deflate: something follows the stream")
    except zlib.error as error:
        raise CorruptShardError(f"deflate: {error}") from error
    if head != npy_header(frames.shape) or filled < len(pixels) or not stream.eof or stream.unused_data:
        raise CorruptShardError(f"deflate: the stream is not one array {frames.shape}")
