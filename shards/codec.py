"""How the frames of a segment become the members of its record, and back.

A record is what a stock webdataset pipeline with its default decoders reads: `KEY.json` with the
segment's metadata, and its frames as `KEY.npy` (raw), `KEY.npy.gz` (deflate) or one `KEY.NNNN.jpg` per frame
(jpeg, which webdataset decodes when asked for an image type, `decode("rgb8")`).
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from shards.choices import CODECS, CodecName
from shards.errors import CorruptShardError, ShardError
from shards.npy import NPY_HEADER, npy_header
from shards.opencv import cv2
from shards.records import BLOCK, entry_header, member, members

_DEFLATE_LEVEL = 1
_SLICE = 1 << 20
"""Bytes that are packed, or unpacked, at a time."""
_BASELINE = 0xC0
"""Marker of a JPEG that is decoded in one pass; progressive ones can ask for thousands."""
_START_OF_SCAN = 0xDA
_HEADER_MARKERS = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""What else may stand before the scan: tables, restart intervals, comments, what applications note."""


@dataclass(frozen=True, kw_only=True)
class Codec:
    """How pixels are stored.

    Attributes:
        name: `raw` and `deflate` are lossless; `jpeg` is not.
        quality: of jpeg, 1 to 100; None for the others.
    """

    name: CodecName = "raw"
    quality: int | None = None

    def __post_init__(self) -> None:
        if self.name not in CODECS:
            raise ShardError(f"codec {self.name!r:.40} is not one of {', '.join(CODECS)}")
        if (self.name == "jpeg") != (self.quality is not None):
            raise ShardError("a jpeg codec has a quality, the others have none")
        if self.quality is not None and not (type(self.quality) is int and 1 <= self.quality <= 100):
            raise ShardError(f"jpeg quality {self.quality!r:.40} is not between 1 and 100")

    def extensions(self, frames: int) -> list[str]:
        """Of the members of a record with so many frames, in their order."""
        if self.name == "jpeg":
            return [*(f"{index:04d}.jpg" for index in range(frames)), "json"]
        return ["json", "npy.gz" if self.name == "deflate" else "npy"]

    def encode(self, frames: np.ndarray) -> dict[str, list[bytes | memoryview]]:
        """Members for frames uint8 (F, H, W, C), C = 1 or 3 (BGR): extension to pieces of content.

        With `raw`, the pixels are a view of the frames: nothing is copied.
        """
        if self.name == "jpeg":
            return {f"{index:04d}.jpg": [self._encode_jpeg(frame)] for index, frame in enumerate(frames)}
        frames = np.ascontiguousarray(frames)
        pieces: list[bytes | memoryview] = [npy_header(frames.shape), frames.reshape(-1).data]
        if self.name == "deflate":
            return {"npy.gz": [gzip.compress(b"".join(pieces), _DEFLATE_LEVEL, mtime=0)]}
        return {"npy": pieces}

    def _encode_jpeg(self, frame: np.ndarray) -> bytes:
        ok, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.quality or 0])
        if not ok:
            raise ShardError(f"jpeg could not store a frame of {frame.shape}")
        return data.tobytes()

    def decode(self, record: memoryview, key: str, shape: tuple[int, int, int, int]) -> np.ndarray:
        """Frames uint8 of `shape` (F, H, W, C) from the bytes of the record `key`.

        With `raw` the result is a view of `record`. No length that the record claims is believed:
        everything must fit `shape`.

        Raises:
            CorruptShardError: the record does not hold exactly that.
        """
        if self.name == "raw":
            return _decode_npy(members(record, key, self.extensions(shape[0]))[-1], shape)
        frames = np.empty(shape, np.uint8)
        self.decode_into(record, key, frames)
        return frames

    def decode_into(self, record: memoryview, key: str, frames: np.ndarray) -> None:
        """As `decode`, into frames uint8 (F, H, W, C) that are there already."""
        found = members(record, key, self.extensions(len(frames)))
        if self.name == "raw":
            frames[...] = _decode_npy(found[-1], frames.shape)
        elif self.name == "deflate":
            _inflate_into(found[-1], frames)
        else:
            for index, (data, frame) in enumerate(zip(found, frames, strict=False)):
                _decode_jpeg(data, index, frame)


def is_gray(frames: np.ndarray) -> bool:
    """Whether the three channels of frames uint8 (F, H, W, 3) are equal everywhere."""
    first = frames[:1]  # tells most colour apart at once
    if (first[..., 0] != first[..., 2]).any():
        return False
    return bool((frames[..., 0] == frames[..., 1]).all() and (frames[..., 1] == frames[..., 2]).all())


def raw_pixels(size: int, shape: tuple[int, int, int, int]) -> tuple[int, int]:
    """Where the pixels of a raw record of `size` bytes start and end, if it holds frames of `shape`."""
    pixels = math.prod(shape)
    start = size - -(-(NPY_HEADER + pixels) // BLOCK) * BLOCK + NPY_HEADER
    if start < BLOCK + NPY_HEADER:
        raise CorruptShardError(f"a record of {size} bytes cannot hold frames of {shape}")
    return start, start + pixels


def check_around_pixels(around: memoryview, start: int, key: str, shape: tuple[int, int, int, int]) -> None:
    """Check that what surrounds the pixels of a raw record is what the writer puts there.

    Args:
        around: the bytes before the pixels, and those after them.
        start: how many stand before, as `raw_pixels` says.
        key: what the record is called.
        shape: (F, H, W, C) of its frames.

    Raises:
        CorruptShardError: it announces something else, or other pixels than those.
    """
    _, entry = member(around[: start - NPY_HEADER], 0, f"{key}.json")
    head = entry_header(f"{key}.npy", NPY_HEADER + math.prod(shape)) + npy_header(shape)
    if around[entry:start] != head or any(around[start:]):
        raise CorruptShardError(f"found no frames of {shape} where they should be")


def _decode_npy(data: memoryview | bytes, shape: tuple[int, ...]) -> np.ndarray:
    if len(data) != NPY_HEADER + math.prod(shape) or data[:NPY_HEADER] != npy_header(shape):
        raise CorruptShardError(f"found {len(data)} bytes that are no array {shape} of uint8")
    return np.frombuffer(data, np.uint8, offset=NPY_HEADER).reshape(shape)


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


def _decode_jpeg(data: memoryview, index: int, frame: np.ndarray) -> None:
    """One JPEG into its frame uint8 (H, W, C), if it is one of exactly this size."""
    flag = cv2.IMREAD_GRAYSCALE if frame.shape[2] == 1 else cv2.IMREAD_COLOR
    flag |= cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if _jpeg_shape(data) == frame.shape else None
    if image is None:
        raise CorruptShardError(f"frame {index} is not a baseline jpeg of {frame.shape}")
    frame[...] = image.reshape(frame.shape)


def _jpeg_shape(data: memoryview) -> tuple[int, int, int] | None:
    """Height, width and channels that a JPEG states; None unless it is a baseline one with a single scan.

    Its headers are walked without decoding anything.
    """
    shape = None
    position = 2
    if bytes(data[:2]) != b"\xff\xd8" or bytes(data[-2:]) != b"\xff\xd9":
        return None
    while position + 10 <= len(data) and data[position] == 0xFF:
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4])
        if marker == _START_OF_SCAN:
            return shape if shape and data[position + 4] == shape[2] else None
        if marker == _BASELINE and shape is None:
            shape = (*struct.unpack(">HH", data[position + 5 : position + 9]), data[position + 9])
        elif marker not in _HEADER_MARKERS or length < 2:
            return None
        position += 2 + length
    return None
