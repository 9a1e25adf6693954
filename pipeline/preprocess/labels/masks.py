"""Pixel masks in the forms in which datasets bring them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.labels.bytestream import ByteStream
from pipeline.preprocess.labels.matfiles import open_cell
from pipeline.preprocess.labels.npyfiles import open_npy
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.tree import SourceFile
from pipeline.preprocess.sources.videos import SourceMasks
from pipeline.video.imageheaders import check_size
from pipeline.video.images import decode_image
from shards.text import printable

MASK_PIXELS = 1 << 25
"""The most pixels of a mask; a frame of 8K video has 33 million."""


@dataclass(frozen=True, kw_only=True)
class PixelMasks:
    """The masks of a video, which are read when they are asked for.

    Attributes:
        where: the file, or the first of them, for messages.
        count: how many there are.
        planes: bool (H, W), one per frame, once, in order; each raises SourceError if it cannot be read.
    """

    where: str
    count: int
    planes: Iterator[np.ndarray]


def open_masks(source_masks: SourceMasks, frames: int, source: Source | None = None) -> PixelMasks:
    """Find the masks of a video.

    Args:
        source_masks: where they are.
        frames: of the video, which bound what is read.
        source: their folder, if it is open.

    Raises:
        SourceError: they cannot be read.
    """
    source = source or Source(source_masks.location)
    file = source_masks.files[0]
    where = printable(f"{source}/{file.path}")
    if source_masks.form == "images":
        files = source_masks.files
        return PixelMasks(where=where, count=len(files), planes=_pictures(source, files))
    stream = ByteStream(source.chunks(file.path), where)
    if source_masks.form == "npy":
        array = open_npy(stream)
        if len(array.shape) != 3 or array.shape[1] * array.shape[2] > MASK_PIXELS:
            raise SourceError(
                f"{where}: found masks {array.shape} of {array.dtype}, expected (frames, H, W) of at most "
                f"{MASK_PIXELS} pixels"
            )
        return PixelMasks(where=where, count=array.shape[0], planes=_marked(array.planes(), where))
    # Numbers of 8 bytes at most, and what a matrix says of itself.
    inflated = frames * (8 * MASK_PIXELS + 1024) + (1 << 16)
    cell = open_cell(stream, "volLabel", values=MASK_PIXELS, inflated=inflated)
    return PixelMasks(where=where, count=cell.count, planes=_marked(cell.elements, where))


def _pictures(source: Source, files: tuple[SourceFile, ...]) -> Iterator[np.ndarray]:
    for file in files:
        where = printable(f"{source}/{file.path}")
        check_size(file.size, where)
        picture = decode_image(source.read(file.path), where)
        if picture.damage:
            raise SourceError(
                f"{where}: damaged ({picture.damage}); mend the file or go without masks with --labels none"
            )
        yield np.asarray((picture.pixels if picture.deep is None else picture.deep).any(axis=2))


def _marked(matrices: Iterator[np.ndarray], where: str) -> Iterator[np.ndarray]:
    for matrix in matrices:
        if matrix.ndim != 2 or not np.isfinite(matrix).all():
            found = "NaN or infinity" if matrix.ndim == 2 else f"a mask {matrix.shape}"
            raise SourceError(
                f"{where}: found {found}, expected masks (H, W) of 0 and others for marked pixels"
            )
        yield matrix != 0
