"""Pixel masks in the forms in which datasets bring them."""

import io
from collections.abc import Iterator

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.images import decode_image
from pipeline.preprocess.matfiles import read_cell
from pipeline.preprocess.source import Source
from pipeline.preprocess.videos import SourceMasks


def masks(source_masks: SourceMasks) -> Iterator[np.ndarray]:
    """The masks of a video, bool (H, W), one per frame, in order.

    Raises:
        SourceError: they cannot be read.
    """
    source = Source(source_masks.location)
    file = source_masks.files[0]
    where = f"{source}/{file.path}"
    if source_masks.form == "images":
        for file in source_masks.files:
            picture = decode_image(source.read(file.path), f"{source}/{file.path}")
            if picture.damage:
                raise SourceError(
                    f"{source}/{file.path}: damaged ({picture.damage}); mend the file or go without masks "
                    "with --labels none"
                )
            yield np.asarray((picture.pixels if picture.deep is None else picture.deep).any(axis=2))
    elif source_masks.form == "npy":
        try:
            array = np.load(io.BytesIO(source.read(file.path)), allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise SourceError(f"{where}: not an npy array of masks: {error}") from error
        yield from _planes(array, where)
    else:
        for plane in read_cell(source.read(file.path), "volLabel", where):
            yield from _planes(plane[None], where)


def _planes(array: np.ndarray, where: str) -> Iterator[np.ndarray]:
    if array.ndim != 3 or array.dtype.kind not in "buif":
        raise SourceError(f"{where}: found masks {array.shape} of {array.dtype}, expected (frames, H, W)")
    for plane in array:
        yield plane != 0
