"""Where a camera's picture is looked at: an image that people paint, black where it is not."""

import hashlib
from dataclasses import dataclass

import numpy as np

from pipeline.errors import SourceError
from pipeline.video.images import decode_image
from shards import locations
from shards.opencv import cv2
from shards.storage import storage_of

_MOST_BYTES = 64 << 20
_REMEDY = "give a whole image of black and white to --mask"
_BLACK, _WHITE = 64, 192
"""Levels up to which, and from which on, a pixel is one or the other; JPEG files have some between."""
_MOST_GRAY = 0.02
"""Share of pixels that may be neither: the edges of what was drawn."""


@dataclass(frozen=True, kw_only=True)
class Mask:
    """What of a frame is looked at.

    Attributes:
        keep: (H, W) bool.
        digest: SHA-256 of it.
    """

    keep: np.ndarray
    digest: str


def read_mask(location: str, size: tuple[int, int]) -> Mask:
    """A mask from an image file of any size, brought to that of the frames.

    A pixel of the frame is looked at where at least half of what it covers is white.

    Args:
        location: of the file.
        size: height and width of what the model sees.

    Raises:
        SourceError: it is no image, not black and white, or all black.
    """
    name = locations.shown(location)
    storage, file = storage_of(location)
    try:
        data = storage.read(file, most=_MOST_BYTES)
    except FileNotFoundError:
        raise SourceError(f"{name}: not found; {_REMEDY}") from None
    try:
        picture = decode_image(data, name)
    except SourceError as error:
        raise SourceError(f"{str(error).partition(';')[0]}; {_REMEDY}") from error
    if picture.damage is not None:
        raise SourceError(f"{name}: damaged ({picture.damage}), expected a whole image; {_REMEDY}")
    levels = picture.pixels.max(axis=2)
    gray = float(((levels > _BLACK) & (levels < _WHITE)).mean())
    if gray > _MOST_GRAY:
        raise SourceError(
            f"{name}: found {100 * gray:.0f} % of its pixels gray, expected black where the picture is not "
            "to be looked at, and white elsewhere; paint it so"
        )
    white = (levels >= 128).astype(np.float32)
    keep = cv2.resize(white, (size[1], size[0]), interpolation=cv2.INTER_AREA) >= 0.5
    if not keep.any():
        raise SourceError(f"{name}: found black alone, expected white where the picture is to be looked at")
    digest = hashlib.sha256(f"{size[0]}x{size[1]} ".encode() + np.packbits(keep).tobytes()).hexdigest()
    return Mask(keep=keep, digest=digest)
