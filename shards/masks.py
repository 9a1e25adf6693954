"""Pixel masks of a video: one file beside its shards, an npz of packed bits that plain numpy reads.

`np.unpackbits(file["bits"], axis=2, count=width)` gives (frames, height, width). Masks keep the geometry of
the source, so that nothing is lost; frames are stored resized.
"""

import hashlib
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from shards.errors import CorruptShardError, ShardError
from shards.storage import Storage

SUFFIX = ".masks.npz"


@dataclass(frozen=True, kw_only=True)
class Masks:
    """A video's mask file.

    Attributes:
        name, bytes, sha256: of the file.
        height, width: of the masks, pixels.
        marked: intervals [start, end) of frames with any marked pixel.
    """

    name: str
    bytes: int
    sha256: str
    height: int
    width: int
    marked: tuple[tuple[int, int], ...]


def runs(flags: np.ndarray) -> tuple[tuple[int, int], ...]:
    """The runs [start, end) of True in flags (frames,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return tuple((int(start), int(end)) for start, end in edges.reshape(-1, 2))


def write_masks(storage: Storage, stem: str, masks: Iterable[np.ndarray]) -> tuple[int, Masks]:
    """Write a video's masks.

    Args:
        storage: of the shard set.
        stem: the video's, see `shards.writer.video_stem`.
        masks: bool (H, W), one per frame, in order.

    Returns:
        How many there were, and the file.
    """
    packed: list[np.ndarray] = []
    flags: list[bool] = []
    shape: tuple[int, ...] = (0, 0)
    for mask in masks:
        if packed and mask.shape != shape:
            raise ShardError(f"{stem}: masks of {shape} and of {mask.shape} in one video")
        shape = mask.shape
        packed.append(np.packbits(mask, axis=1))
        flags.append(bool(mask.any()))
    if not packed:
        raise ShardError(f"{stem}: found no masks")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, bits=np.stack(packed), width=np.int64(shape[1]))
    data = buffer.getvalue()
    name = f"{stem}{SUFFIX}"
    storage.write(name, data)
    return len(flags), Masks(
        name=name,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        height=shape[0],
        width=shape[1],
        marked=runs(np.array(flags)),
    )


def read_masks(storage: Storage, masks: Masks, frames: int) -> np.ndarray:
    """A video's masks (frames, H, W) bool.

    Raises:
        ShardError: the file is missing.
        CorruptShardError: it is not the one that was written.
    """
    where = f"{storage}/{masks.name}"
    try:
        data = storage.read(masks.name)
    except FileNotFoundError:
        raise ShardError(f"{where}: not found, though the manifest lists it; run preprocess again") from None
    if hashlib.sha256(data).hexdigest() != masks.sha256:
        raise CorruptShardError(f"{where}: found other bytes than were written; run preprocess again")
    bits = np.load(io.BytesIO(data), allow_pickle=False)["bits"]
    unpacked = np.unpackbits(bits, axis=2, count=masks.width).astype(bool)
    if unpacked.shape != (frames, masks.height, masks.width):
        raise CorruptShardError(f"{where}: found masks {unpacked.shape}, expected {frames} frames")
    return unpacked
