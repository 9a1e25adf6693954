"""Pixel masks of a video: one file beside its shards, an npz of packed bits that plain numpy reads.

`np.unpackbits(file["bits"], axis=2, count=width)` gives (frames, height, width). Masks keep the geometry of
the source, so that nothing is lost; frames are stored resized.
"""

import io
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from shards.digests import digest_of
from shards.errors import CorruptShardError, ShardError
from shards.limits import MOST_MASK_PIXELS
from shards.names import masks_name
from shards.npy import NPY_HEADER, npy_header
from shards.storage import Storage
from shards.zips import COMPRESSIONS, opened

_MEMBERS = ["bits.npy", "width.npy"]


@dataclass(frozen=True, kw_only=True)
class Masks:
    """A video's mask file.

    Attributes:
        name, bytes, digest: of the file.
        height, width: of the masks, pixels.
        marked: intervals [start, end) of frames with any marked pixel.
    """

    name: str
    bytes: int
    digest: str
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
        stem: the video's, see `shards.names.video_stem`.
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
        if mask.size > MOST_MASK_PIXELS:
            raise ShardError(f"{stem}: masks of {shape}, expected at most {MOST_MASK_PIXELS} pixels")
        packed.append(np.packbits(mask, axis=1))
        flags.append(bool(mask.any()))
    if not packed:
        raise ShardError(f"{stem}: found no masks")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, bits=np.stack(packed), width=np.int64(shape[1]))
    data = buffer.getvalue()
    digest = digest_of([data])
    name = masks_name(stem, digest)
    storage.write(name, data)
    return len(flags), Masks(
        name=name,
        bytes=len(data),
        digest=digest,
        height=shape[0],
        width=shape[1],
        marked=runs(np.array(flags)),
    )


def read_masks(storage: Storage, masks: Masks, frames: int) -> Iterator[np.ndarray]:
    """A video's masks bool (H, W), one per frame, in order; unpacked one by one.

    Raises:
        ShardError: the file is missing or cannot be read.
        CorruptShardError: it is not the one that was written, or not what its row in the manifest says.
    """
    where = f"{storage}/{masks.name}"
    try:
        yield from _unpacked(_read(storage, masks), masks, frames)
    except FileNotFoundError:
        raise ShardError(f"{where}: not found, though the manifest lists it; {storage.remake}") from None
    except CorruptShardError as error:
        raise CorruptShardError(f"{where}: {error}; run preprocess again") from None
    except OSError as error:
        raise ShardError(f"{where}: cannot be read: {error.strerror or error}; check the disk") from error


def _read(storage: Storage, masks: Masks) -> bytes:
    """The file, of which no more is read than the manifest says."""
    data = storage.read(masks.name, most=masks.bytes)
    if len(data) != masks.bytes or digest_of([data]) != masks.digest:
        raise CorruptShardError("found other bytes than were written")
    return data


def _unpacked(data: bytes, masks: Masks, frames: int) -> Iterator[np.ndarray]:
    shape = (frames, masks.height, -(-masks.width // 8))
    try:
        with opened(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if [info.filename for info in infos] != _MEMBERS or infos[0].compress_type not in COMPRESSIONS:
                raise CorruptShardError(f"expected a zip of {' and '.join(_MEMBERS)} alone")
            with archive.open(infos[0]) as file:
                if file.read(NPY_HEADER) != npy_header(shape):
                    raise CorruptShardError(f"expected packed masks {shape}")
                for _ in range(frames):
                    packed = np.frombuffer(file.read(shape[1] * shape[2]), np.uint8).reshape(shape[1:])
                    yield np.unpackbits(packed, axis=1, count=masks.width).view(bool)
                if file.read(1):
                    raise CorruptShardError(f"found more than masks of {frames} frames")
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError) as error:
        raise CorruptShardError(f"not an npz file of masks: {error}") from error
