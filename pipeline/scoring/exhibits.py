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
from shards.errors import TooLargeError
from shards.storage import Storage

FOLDER = "exhibits"
_PART = re.compile(r"part-\d{5,}-of-\d{5,}\.npz")
"""Files that only an evaluation writes, and may remove."""
MOST_EXHIBITS_BYTES = 512 << 20
"""The largest file in bytes: what it says of 1,000 frames of 1024x1024 and 2,000 items takes 300 MB, of the
paper's 7."""


@dataclass(frozen=True, kw_only=True)
class Exhibits:
    """What one or more processes gathered.

    Attributes:
        video: (P,) str, name of each picture's video.
        frame: (P,) int64, its frame number.
        pictures: P JPEGs: real frame, prediction and error side by side.
        queries: (P, D) float32, one query of each of those frames.
        items: (M, D) float32, the trained memory.
        nearest: (rows, columns, M) int64, in how many of those frames each item was the nearest at a place.
        places: (P, rows, columns) uint16, the nearest item at each place of each of those frames; None in
            files of before, where `nearest` is of all scored frames.
    """

    video: np.ndarray
    frame: np.ndarray
    pictures: list[bytes]
    queries: np.ndarray
    items: np.ndarray
    nearest: np.ndarray
    places: np.ndarray | None


_TYPES = {
    "video": "<U",
    "frame": "<i8",
    "queries": "<f4",
    "items": "<f4",
    "nearest": "<i8",
    "places": "<u2",
    "picture_ends": "<i8",
    "picture_data": "|u1",
    "work": "<U",
}
"""The types of the arrays in a file, as numpy writes them."""


def exhibits_name(rank: int, processes: int) -> str:
    """The file of one process's exhibits."""
    return f"{FOLDER}/part-{rank:05d}-of-{processes:05d}.npz"


def beside(part: str) -> str:
    """The file of exhibits of the process that wrote a part of the table."""
    return f"{FOLDER}/{part.removeprefix(f'{SCORES}/').removesuffix('.parquet')}.npz"


def write_exhibits(out: Storage, rank: int, processes: int, exhibits: Exhibits, work: str) -> None:
    """Write one process's exhibits, marked with the digest of the evaluation's provenance."""
    arrays = {
        field.name: getattr(exhibits, field.name)
        for field in dataclasses.fields(Exhibits)
        if field.name != "pictures" and getattr(exhibits, field.name) is not None
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
    return joined([read_one(out, exhibits_name(rank, processes), work) for rank in range(processes)])


def nearest_counts(places: np.ndarray, items: int) -> np.ndarray:
    """(rows, columns, M) in how many frames each of M items is that of a place, of (P, rows, columns)."""
    _, rows, columns = places.shape
    numbers = np.arange(rows * columns).reshape(rows, columns) * items + places.astype(np.int64)
    return np.bincount(numbers.ravel(), minlength=rows * columns * items).reshape(rows, columns, items)


def chosen(exhibits: Exhibits, rows: np.ndarray) -> Exhibits:
    """Those of the pictured frames whose numbers are in `rows` (K,), in that order."""
    places = exhibits.places
    assert places is not None
    return Exhibits(
        video=np.array(exhibits.video[rows].tolist(), np.str_),  # as wide as the longest name
        frame=exhibits.frame[rows],
        pictures=[exhibits.pictures[row] for row in rows.tolist()],
        queries=exhibits.queries[rows],
        items=exhibits.items,
        nearest=nearest_counts(places[rows], len(exhibits.items)),
        places=places[rows],
    )


def read_one(out: Storage, name: str, work: str) -> Exhibits:
    """One file of exhibits.

    Raises:
        ReportError: it is damaged, or of another work.
    """
    try:
        data = out.read(name, most=MOST_EXHIBITS_BYTES)
    except TooLargeError as error:
        raise ReportError(str(error)) from error
    try:
        arrays = read_arrays(data, _TYPES, len(data), optional=("places",))
        places = arrays.pop("places", None)
        if arrays.pop("work").tolist() != work:
            raise ValueError("pictures of another evaluation")
        ends, pictures = arrays.pop("picture_ends"), arrays.pop("picture_data").tobytes()
        _check(ends, len(pictures), **arrays, places=places)
    except ValueError as error:
        raise ReportError(f"{out}/{name}: {error}; run evaluate again, one at a time in a folder") from error
    starts = [0, *ends[:-1].tolist()]
    cut = [pictures[start:end] for start, end in zip(starts, ends.tolist(), strict=False)]
    return Exhibits(pictures=cut, **arrays, places=places)


def _check(
    ends: np.ndarray,
    size: int,
    *,
    video: np.ndarray,
    frame: np.ndarray,
    queries: np.ndarray,
    items: np.ndarray,
    nearest: np.ndarray,
    places: np.ndarray | None,
) -> None:
    """Refuse what no evaluation writes; `ends` are those of pictures in `size` bytes."""
    count = len(frame) if frame.ndim == 1 else -1
    if not video.shape == frame.shape == ends.shape == (count,):
        raise ValueError(f"found {video.shape} videos, {frame.shape} frames and {ends.shape} pictures")
    if (np.diff(ends, prepend=0) < 0).any() or (count and ends[-1] != size):
        raise ValueError("pictures overlap or are cut off")
    if items.ndim != 2 or queries.shape != (count, items.shape[1]):
        raise ValueError(f"found queries {queries.shape}, items {items.shape}")
    is_empty = count > 0 and not nearest.any()
    if nearest.ndim != 3 or nearest.shape[2] != len(items) or nearest.min(initial=0) < 0 or is_empty:
        raise ValueError(f"found counts {nearest.shape} of {len(items)} items")
    if places is not None and places.shape != (count, *nearest.shape[:2]):
        raise ValueError(f"found nearest items {places.shape} of {count} frames")
    if places is not None and places.max(initial=0) >= len(items):
        raise ValueError(f"found nearest items beyond {len(items)}")
    if not (np.isfinite(queries).all() and np.isfinite(items).all()):
        raise ValueError("found queries or items that are not finite")


def joined(parts: Sequence[Exhibits]) -> Exhibits:
    """Those of several processes, at least one, in one."""
    places = [part.places for part in parts if part.places is not None]
    return Exhibits(
        video=np.concatenate([part.video for part in parts]),
        frame=np.concatenate([part.frame for part in parts]),
        pictures=[picture for part in parts for picture in part.pictures],
        queries=np.concatenate([part.queries for part in parts]),
        items=parts[0].items,
        nearest=np.sum([part.nearest for part in parts], axis=0),
        places=np.concatenate(places) if len(places) == len(parts) else None,
    )
