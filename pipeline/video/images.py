"""Image files and the resize that fixes the stored pixels: the owner of OpenCV in this stage."""

import functools
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import SourceError
from pipeline.video.imageheaders import check_header, check_size
from pipeline.video.standarderror import StandardError
from shards.localfiles import open_regular
from shards.opencv import cv2

_HARMLESS = ("[ WARN", "[ INFO", "[DEBUG", "libpng warning", "Warning: ")
"""How lines begin that tell of no damage to pixels: odd metadata, or bytes too many, as in some files of
UCSD Ped1."""
_LOG_PREFIX = re.compile(r"\[[A-Z ]+:\d+@[\d.]+\] \S+ \S+ ")
"""Level, thread, time and place in OpenCV's own source."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A decoded image file.

    Attributes:
        pixels: uint8 (H, W, 3) BGR, as `cv2.imread` gives them.
        deep: uint16 (H, W, 3) BGR, the same with all their bits, or None where they have 8.
        damage: what the decoder said of damaged data, or None. The pixels are then what it made of the rest.
    """

    pixels: np.ndarray
    deep: np.ndarray | None
    damage: str | None


def use_one_thread() -> None:
    """Keep OpenCV to one thread: as many processes as there are cores run beside one another."""
    cv2.setNumThreads(1)


@functools.cache
def _standard_error() -> StandardError:
    """Made with the first image; OpenCV is told to speak of damage whatever OPENCV_LOG_LEVEL says."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
    return StandardError()


def read_image(path: Path, name: str) -> bytes:
    """The bytes of a local image file.

    Args:
        path: of the file.
        name: of it, for messages.

    Raises:
        SourceError: it cannot be read, is no regular file, or larger than any image that is decoded.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            check_size(size, name)
            return file.read(size)
    except OSError as error:
        raise SourceError(f"{name}: cannot be read: {error.strerror or error}; make it readable") from error


def decode_image(data: bytes, name: str) -> Picture:
    """Decode an image file.

    libjpeg fills up what is missing in gray, libtiff leaves it black, and OpenCV returns such a picture
    without a word; but they print what they stumble over.

    Args:
        data: an image file.
        name: of the file, for messages.

    Raises:
        SourceError: it is not one image, too large, or nothing of it can be decoded.
    """
    check_header(data, name)
    buffer = np.frombuffer(data, np.uint8)
    pixels = deep = None
    error = ""
    with _standard_error().heard() as lines:
        try:
            deep = cv2.imdecode(buffer, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
            is_deep = deep is not None and deep.dtype == np.uint16
            pixels = cv2.imdecode(buffer, cv2.IMREAD_COLOR) if is_deep else deep
        except cv2.error as caught:
            error = str(caught.err)
    said = [_LOG_PREFIX.sub("", line).strip() for line in lines if _tells_of_damage(line)]
    if pixels is None or deep is None:
        reason = (said or [error])[0]
        raise SourceError(
            f"{name}: found {len(data)} bytes that OpenCV cannot decode{f' ({reason})' if reason else ''}; "
            "mend or remove the file, or leave the video out with --on-error skip"
        )
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or deep.dtype not in (np.uint8, np.uint16):
        raise SourceError(
            f"{name}: found pixels of {deep.dtype}, expected 8 or 16 bits per channel; convert the file"
        )
    return Picture(
        pixels=np.asarray(pixels, np.uint8), deep=np.asarray(deep) if is_deep else None, damage=_first(said)
    )


def _first(lines: list[str]) -> str | None:
    return lines[0] if lines else None


def _tells_of_damage(line: str) -> bool:
    if "CRC error" in line:  # a chunk of a PNG that libpng passes over, with a warning
        return True
    return bool(line.strip()) and not line.startswith(_HARMLESS)


def resized(frames: Iterable[np.ndarray], size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Frames uint8 (H, W, 3), of any size each, brought to `size` (height, width) as `resize_into` does."""
    for frame in frames:
        small = np.empty((*size, 3), np.uint8)
        resize_into(frame, small)
        yield small


def resize_into(frame: np.ndarray, out: np.ndarray, *, is_rgb: bool = False) -> None:
    """Bring a frame uint8 (H, W, 3) to the size of `out` by bilinear interpolation in uint8.

    Args:
        frame: BGR.
        out: uint8 (H, W, 3), contiguous; is filled.
        is_rgb: whether the channels of the frame have to be turned round; done last, where there are fewer
            pixels.
    """
    height, width = out.shape[:2]
    cv2.resize(frame, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)
    if is_rgb:
        cv2.cvtColor(out, cv2.COLOR_RGB2BGR, dst=out)


def encode_png(image: np.ndarray) -> bytes:
    """A PNG file of an image uint8 (H, W, 3) BGR."""
    return bytes(cv2.imencode(".png", image)[1])


def encode_jpeg(image: np.ndarray, most: int) -> bytes:
    """A JPEG file of an image uint8 (H, W, 3) BGR, made smaller where a side has more than `most` pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, most / max(height, width))
    size = max(1, round(scale * width)), max(1, round(scale * height))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


def write_text(image: np.ndarray, text: str) -> np.ndarray:
    """The image with a line of small white text; other signs than ASCII become question marks."""
    plain = text.encode("ascii", "replace").decode()
    at = (4, image.shape[0] - 5)
    return np.asarray(
        cv2.putText(image, plain, at, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 255, 255)), np.uint8
    )
