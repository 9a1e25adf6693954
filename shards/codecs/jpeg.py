"""A JPEG for each frame."""

import struct

import numpy as np

from shards.codecs.pixelcodec import QUALITY_RULE, PixelCodec
from shards.errors import CorruptShardError, ShardError
from shards.opencv import cv2
from shards.records import members

_BASELINE = 0xC0
"""Marker of a JPEG that is decoded in one pass; progressive ones can ask for thousands."""
_START_OF_SCAN = 0xDA
_HEADER_MARKERS = frozenset({0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)})
"""What else may stand before the scan: tables, restart intervals, comments, what applications note."""


class Jpeg(PixelCodec):
    """Lossy.

    Args:
        quality: 1 to 100.
    """

    def __init__(self, quality: int | None = None) -> None:
        if quality is None:
            raise ShardError(QUALITY_RULE)
        if not (type(quality) is int and 1 <= quality <= 100):
            raise ShardError(f"jpeg quality {quality!r:.40} is not between 1 and 100")
        self._quality = quality

    def encode(self, frames: np.ndarray) -> dict[str, list[bytes | memoryview]]:
        """`KEY.0000.jpg`, `KEY.0001.jpg`, …"""
        return {f"{index:04d}.jpg": [self._encode(frame)] for index, frame in enumerate(frames)}

    def _encode(self, frame: np.ndarray) -> bytes:
        ok, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
        if not ok:
            raise ShardError(f"jpeg could not store a frame of {frame.shape}")
        return data.tobytes()

    def decode_into(self, record: memoryview, key: str, frames: np.ndarray) -> None:
        """Each JPEG must be one of exactly the size of its frame."""
        extensions = [*(f"{index:04d}.jpg" for index in range(len(frames))), "json"]
        for index, (data, frame) in enumerate(zip(members(record, key, extensions), frames, strict=False)):
            _decode_jpeg(data, index, frame)


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
