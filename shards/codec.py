"""How the frames of a segment become the members of its record, and back.

A record is what a stock webdataset pipeline with its default decoders reads: `KEY.json` with the
segment's metadata, and its frames as `KEY.npy` (raw), `KEY.npy.gz` (deflate) or one `KEY.NNNN.jpg` per frame
(jpeg, which webdataset decodes when asked for an image type, `decode("rgb8")`).
"""

import gzip
import io
import math
import zlib
from dataclasses import dataclass

import numpy as np

from shards.choices import CODECS, CodecName
from shards.errors import CorruptShardError, ShardError
from shards.opencv import cv2

_BLOCK = 512
"""Tar pads everything to blocks of this many bytes."""
_NPY_HEADER = 128
"""Bytes that numpy writes before the pixels of an array of four dimensions."""
_DEFLATE_LEVEL = 1


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
            raise ShardError(f"codec {self.name!r} is not one of {', '.join(CODECS)}")
        if (self.name == "jpeg") != (self.quality is not None):
            raise ShardError("a jpeg codec has a quality, the others have none")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ShardError(f"jpeg quality {self.quality} is not between 1 and 100")

    def encode(self, frames: np.ndarray) -> dict[str, list[bytes | memoryview]]:
        """Members for frames uint8 (F, H, W, C), C = 1 or 3 (BGR): extension to pieces of content.

        With `raw`, the pixels are a view of the frames: nothing is copied.
        """
        if self.name == "jpeg":
            return {f"{index:04d}.jpg": [self._encode_jpeg(frame)] for index, frame in enumerate(frames)}
        frames = np.ascontiguousarray(frames)
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(frames))
        pieces: list[bytes | memoryview] = [head.getvalue(), frames.reshape(-1).data]
        if self.name == "deflate":
            return {"npy.gz": [gzip.compress(b"".join(pieces), _DEFLATE_LEVEL, mtime=0)]}
        return {"npy": pieces}

    def _encode_jpeg(self, frame: np.ndarray) -> bytes:
        ok, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self.quality or 0])
        if not ok:
            raise ShardError(f"jpeg could not store a frame of {frame.shape}")
        return data.tobytes()

    def decode(self, record: memoryview, shape: tuple[int, int, int, int]) -> np.ndarray:
        """Frames uint8 of `shape` (F, H, W, C) from the bytes of a record.

        With `raw` the result is a view of `record`. No length that the record claims is believed:
        everything must fit `shape`.

        Raises:
            CorruptShardError: the record does not hold exactly that.
        """
        if self.name == "raw":
            return _decode_npy(_member(dict(record_members(record)), "npy"), shape)
        frames = np.empty(shape, np.uint8)
        self.decode_into(record, frames)
        return frames

    def decode_into(self, record: memoryview, frames: np.ndarray) -> None:
        """As `decode`, into frames uint8 (F, H, W, C) that are there already."""
        members = dict(record_members(record))
        if self.name == "raw":
            frames[...] = _decode_npy(_member(members, "npy"), frames.shape)
        elif self.name == "deflate":
            stream = zlib.decompressobj(wbits=31)
            try:
                data = stream.decompress(_member(members, "npy.gz"), 1024 + frames.size)
            except zlib.error as error:
                raise CorruptShardError(f"deflate: {error}") from error
            if not stream.eof or stream.unused_data:
                raise CorruptShardError("deflate: the stream is not one whole array")
            frames[...] = _decode_npy(memoryview(data), frames.shape)
        else:
            _, height, width, channels = frames.shape
            flag = cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR
            for index, frame in enumerate(frames):
                image = cv2.imdecode(np.frombuffer(_member(members, f"{index:04d}.jpg"), np.uint8), flag)
                if image is None or image.shape[:2] != (height, width):
                    raise CorruptShardError(f"frame {index} is not a jpeg of {height}x{width}")
                frame[...] = image.reshape(frame.shape)


def is_gray(frames: np.ndarray) -> bool:
    """Whether the three channels of frames uint8 (F, H, W, 3) are equal everywhere."""
    first = frames[:1]  # tells most colour apart at once
    if (first[..., 0] != first[..., 2]).any():
        return False
    return bool((frames[..., 0] == frames[..., 1]).all() and (frames[..., 1] == frames[..., 2]).all())


def record_members(record: memoryview) -> list[tuple[str, memoryview]]:
    """Extension and data of each member of a record, a run of whole tar entries; views, no copies."""
    members = []
    position = 0
    while position < len(record):
        extension, size = _entry(record, position)
        start = position + _BLOCK
        if not extension or not 0 <= size <= len(record) - start:
            raise CorruptShardError(f"the tar entry at byte {position} does not fit its record")
        members.append((extension, record[start : start + size]))
        position = start + -(-size // _BLOCK) * _BLOCK
    return members


def _entry(record: memoryview, position: int) -> tuple[str, int]:
    """Extension and size that the tar header at `position` states."""
    header = record[position : position + _BLOCK]
    try:
        size = int(bytes(header[124:136]).rstrip(b" \0") or b"0", 8)
        return bytes(header[:100]).rstrip(b"\0").decode("ascii").partition(".")[2], size
    except ValueError as error:
        raise CorruptShardError(f"no tar entry at byte {position}") from error


def raw_pixels(size: int, shape: tuple[int, int, int, int]) -> tuple[int, int]:
    """Where the pixels of a raw record of `size` bytes start and end, if it holds frames of `shape`."""
    pixels = math.prod(shape)
    start = size - -(-(_NPY_HEADER + pixels) // _BLOCK) * _BLOCK + _NPY_HEADER
    if start < _BLOCK + _NPY_HEADER:
        raise CorruptShardError(f"a record of {size} bytes cannot hold frames of {shape}")
    return start, start + pixels


def check_raw_head(head: memoryview, shape: tuple[int, int, int, int]) -> None:
    """Check that what stands before the pixels of a raw record announces frames of `shape`.

    Args:
        head: the bytes up to where `raw_pixels` says that the pixels start.

    Raises:
        CorruptShardError: it announces something else, or other pixels than those.
    """
    entry = len(head) - _NPY_HEADER - _BLOCK
    before = record_members(head[:entry])
    name, size = _entry(head, entry)
    if name != "npy" or size != _NPY_HEADER + math.prod(shape) or any(n == "npy" for n, _ in before):
        raise CorruptShardError(f"found a member .{name} of {size} bytes where frames of {shape} should be")
    _check_npy_head(head[-_NPY_HEADER:], shape)


def _member(members: dict[str, memoryview], extension: str) -> memoryview:
    try:
        return members[extension]
    except KeyError:
        raise CorruptShardError(f"no member .{extension} in the record, found {sorted(members)}") from None


def _decode_npy(data: memoryview, shape: tuple[int, ...]) -> np.ndarray:
    body = data[_check_npy_head(data, shape) :]
    if len(body) != math.prod(shape):
        raise CorruptShardError(f"found {len(body)} bytes of pixels, expected {math.prod(shape)}")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _check_npy_head(data: memoryview, shape: tuple[int, ...]) -> int:
    """The length of the header of an npy array that must be uint8 of `shape`."""
    head = io.BytesIO(data[:256])
    try:
        version = np.lib.format.read_magic(head)
        found, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    except ValueError as error:
        raise CorruptShardError(f"not an npy array: {error}") from error
    if version != (1, 0) or (found, fortran, dtype) != (shape, False, np.dtype(np.uint8)):
        raise CorruptShardError(f"found an array {found} of {dtype}, expected {shape} of uint8")
    return head.tell()
