"""How the frames of a segment become the members of its record, and back.

A record is what a stock webdataset pipeline with its default decoders reads: `KEY.json` with the
segment's metadata, and its frames as `KEY.npy` (raw), `KEY.npy.gz` (deflate) or one `KEY.NNNN.jpg` per frame
(jpeg, which webdataset decodes when asked for an image type, `decode("rgb8")`).
"""

import gzip
import io
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from shards.errors import CorruptShardError, ShardError

CodecName = Literal["raw", "deflate", "jpeg"]
CODECS: tuple[CodecName, ...] = ("raw", "deflate", "jpeg")

_BLOCK = 512
"""Tar pads everything to blocks of this many bytes."""
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
        members = dict(record_members(record))
        if self.name == "raw":
            return _decode_npy(_member(members, "npy"), shape)
        if self.name == "deflate":
            limit = 1024 + int(np.prod(shape))
            try:
                with gzip.GzipFile(fileobj=io.BytesIO(_member(members, "npy.gz"))) as stream:
                    data = stream.read(limit)
            except (OSError, EOFError, ValueError) as error:
                raise CorruptShardError(f"deflate: {error}") from error
            return _decode_npy(memoryview(data), shape)
        frames = np.empty(shape, np.uint8)
        flag = cv2.IMREAD_GRAYSCALE if shape[3] == 1 else cv2.IMREAD_COLOR
        for index, frame in enumerate(frames):
            image = cv2.imdecode(np.frombuffer(_member(members, f"{index:04d}.jpg"), np.uint8), flag)
            if image is None or image.size != frame.size:
                raise CorruptShardError(f"frame {index} is not a jpeg of {shape[1]}x{shape[2]}")
            frame[...] = image.reshape(frame.shape)
        return frames


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
        header = record[position : position + _BLOCK]
        name = bytes(header[:100]).rstrip(b"\0")
        try:
            size = int(bytes(header[124:136]).rstrip(b" \0") or b"0", 8)
            extension = name.decode("ascii").partition(".")[2]
        except ValueError as error:
            raise CorruptShardError(f"no tar entry at byte {position}") from error
        start = position + _BLOCK
        if not extension or size > len(record) - start:
            raise CorruptShardError(f"the tar entry at byte {position} does not fit its record")
        members.append((extension, record[start : start + size]))
        position = start + -(-size // _BLOCK) * _BLOCK
    return members


def _member(members: dict[str, memoryview], extension: str) -> memoryview:
    try:
        return members[extension]
    except KeyError:
        raise CorruptShardError(f"no member .{extension} in the record, found {sorted(members)}") from None


def _decode_npy(data: memoryview, shape: tuple[int, ...]) -> np.ndarray:
    head = io.BytesIO(data[:256])
    try:
        version = np.lib.format.read_magic(head)
        found, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    except ValueError as error:
        raise CorruptShardError(f"not an npy array: {error}") from error
    if version != (1, 0) or (found, fortran, dtype) != (shape, False, np.dtype(np.uint8)):
        raise CorruptShardError(f"found an array {found} of {dtype}, expected {shape} of uint8")
    body = data[head.tell() :]
    if len(body) != int(np.prod(shape)):
        raise CorruptShardError(f"found {len(body)} bytes of pixels, expected {int(np.prod(shape))}")
    return np.frombuffer(body, np.uint8).reshape(shape)
