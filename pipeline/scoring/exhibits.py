"""What a report shows besides scores, gathered while scoring: pictures, and how the memory was used.

One file per process under `OUT/exhibits/`, a plain npz, with a digest of what it was computed from as `work`.
"""

import dataclasses
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import ReportError
from pipeline.runs.arrays import read_arrays
from pipeline.scoring.parts import FOLDER as SCORES
from shards.storage import Storage

FOLDER = "exhibits"
_PART = re.compile(r"part-\d{5,}-of-\d{5,}\.npz")
"""Files that only an evaluation writes, and may remove."""


@dataclass(frozen=True, kw_only=True)
class Exhibits:
    """What one or more processes gathered.

    Attributes:
        video: (P,) str, name of each picture's video.
        frame: (P,) int64, its frame number.
        pictures: P JPEGs: real frame, prediction and error side by side.
        queries: (P, D) float32, one query of each of those frames.
        items: (M, D) float32, the trained memory.
        nearest: (rows, columns, M) int64, in how many frames each item was the nearest at each place.
    """

    video: np.ndarray
    frame: np.ndarray
    pictures: list[bytes]
    queries: np.ndarray
    items: np.ndarray
    nearest: np.ndarray


_TYPES = {
    "video": "<U",
    "frame": "<i8",
    "queries": "<f4",
    "items": "<f4",
    "nearest": "<i8",
    "picture_ends": "<i8",
    "picture_data": "|u1",
    "work": "<U",
}
"""Of the arrays in a file."""


def exhibits_name(rank: int, processes: int) -> str:
    """The file of one process's exhibits."""
    return f"{FOLDER}/part-{rank:05d}-of-{processes:05d}.npz"


def write_exhibits(out: Storage, rank: int, processes: int, exhibits: Exhibits, work: str) -> None:
    """Write one process's exhibits, marked with the digest of the evaluation's provenance."""
    arrays = {
        field.name: getattr(exhibits, field.name)
        for field in dataclasses.fields(Exhibits)
        if field.name != "pictures"
    }
    ends = np.cumsum([len(picture) for picture in exhibits.pictures])
    data = np.frombuffer(b"".join(exhibits.pictures), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, picture_ends=ends.astype(np.int64), picture_data=data, work=np.str_(work))
    out.write(exhibits_name(rank, processes), buffer.getvalue())


def delete_without_part(out: Storage) -> None:
    """Remove the files whose process's part of the table is not there."""
    for name in out.names(FOLDER):
        if _PART.fullmatch(name) and not out.exists(f"{SCORES}/{name.removesuffix('.npz')}.parquet"):
            out.delete(f"{FOLDER}/{name}")


def read_exhibits(out: Storage, processes: int, work: str) -> Exhibits | None:
    """All processes' exhibits together, or None where none were gathered.

    Raises:
        ReportError: a file is damaged, or of another work.
    """
    if not all(out.exists(exhibits_name(rank, processes)) for rank in range(processes)):
        return None
    return _join([_read(out, exhibits_name(rank, processes), work) for rank in range(processes)])


def _read(out: Storage, name: str, work: str) -> Exhibits:
    data = out.read(name)
    try:
        arrays = read_arrays(data, _TYPES, len(data))
        if arrays.pop("work").tolist() != work:
            raise ValueError("pictures of another evaluation")
        ends, pictures = arrays.pop("picture_ends"), arrays.pop("picture_data").tobytes()
        _check(ends, len(pictures), **arrays)
    except ValueError as error:
        raise ReportError(f"{out}/{name}: {error}; run evaluate again, one at a time in a folder") from error
    starts = [0, *ends[:-1].tolist()]
    cut = [pictures[start:end] for start, end in zip(starts, ends.tolist(), strict=False)]
    return Exhibits(pictures=cut, **arrays)


def _check(
    ends: np.ndarray,
    size: int,
    *,
    video: np.ndarray,
    frame: np.ndarray,
    queries: np.ndarray,
    items: np.ndarray,
    nearest: np.ndarray,
) -> None:
    """Refuse what no evaluation writes; `ends` are those of pictures in `size` bytes."""
    count = len(frame) if frame.ndim == 1 else -1
    if not video.shape == frame.shape == ends.shape == (count,):
        raise ValueError(f"found {video.shape} videos, {frame.shape} frames and {ends.shape} pictures")
    if (np.diff(ends, prepend=0) < 0).any() or (count and ends[-1] != size):
        raise ValueError("pictures overlap or are cut off")
    if items.ndim != 2 or queries.shape != (count, items.shape[1]):
        raise ValueError(f"found queries {queries.shape}, items {items.shape}")
    if nearest.ndim != 3 or nearest.shape[2] != len(items) or nearest.min(initial=0) < 0 or not nearest.any():
        raise ValueError(f"found counts {nearest.shape} of {len(items)} items")
    if not (np.isfinite(queries).all() and np.isfinite(items).all()):
        raise ValueError("found queries or items that are not finite")


def _join(parts: Sequence[Exhibits]) -> Exhibits:
    return Exhibits(
        video=np.concatenate([part.video for part in parts]),
        frame=np.concatenate([part.frame for part in parts]),
        pictures=[picture for part in parts for picture in part.pictures],
        queries=np.concatenate([part.queries for part in parts]),
        items=parts[0].items,
        nearest=np.sum([part.nearest for part in parts], axis=0),
    )
