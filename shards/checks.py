"""What a set must fulfil before anyone relies on it: the one place where what its tables say is judged.

Every name and digest is of the form that the writer gives it, so that it can be part of a path; every number
is one that the other numbers and the size of the file justify, so that memory can be taken for it. Whole
columns are looked at, a block of rows at a time: 3.2 million segments take 0.3 s and a few megabytes. All
raise ValueError, with what was found and what was expected.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import filterfalse
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shards.choices import SPLITS
from shards.digests import is_digest
from shards.entries import Geometry
from shards.limits import (
    MOST_EXPANSION,
    MOST_MASK_METADATA,
    MOST_MASK_PIXELS,
    MOST_SEGMENT_BYTES,
    MOST_WINDOW,
    SEGMENT_WINDOWS,
    segment_bytes,
)
from shards.masks import Masks
from shards.names import is_masks, is_shard, is_video, record_key, video_stem
from shards.records import END_OF_TAR
from shards.tables import Tables, intervals_in, text_column

if TYPE_CHECKING:
    from shards.manifest import Manifest

_MOST_NUMBER = 2**53
_ROWS = 1 << 18
"""Segments that are looked at at a time."""


def check_tables(tables: Tables) -> None:
    """Videos, their shards and segments, labels and masks: all that does not depend on other parts."""
    splits = text_column(tables.videos, "split")
    for name, split in zip(tables.names, splits, strict=True):
        if not is_video(name) or split not in SPLITS:
            raise ValueError(f"video {name!r:.80} of split {split!r:.80}: neither name nor split of a video")
    for name in filterfalse(is_shard, tables.shard_names()):
        raise ValueError(f"shard {name!r:.80}: not the name of a shard")
    if tables.shard_bytes.max(initial=0) > _MOST_NUMBER:
        raise ValueError(f"a shard has {tables.shard_bytes.max()} bytes")
    intervals, owners = intervals_in(tables.videos.column("abnormal"))
    _check_intervals(tables, "labels", intervals, owners)
    masks = tables.videos.column("masks")
    for row in np.flatnonzero(masks.is_valid().to_numpy(zero_copy_only=False)).tolist():
        check_masks(tables, row, masks[row].as_py())
    rows = (("shard", tables.shards.num_rows), ("video", len(tables)), ("offset", _MOST_NUMBER))
    for name, most in rows:
        if len(column := tables.column(name)) and column.max() >= most:
            raise ValueError(f"a segment has {name} {column.max()}, expected less than {most}")
    _check_places(tables)
    _check_frames(tables)


def check_masks(tables: Tables, row: int, record: dict[str, Any]) -> None:
    """The masks of one video, as their row has them."""
    where, frames = _video(tables, row), int(tables.frames[row])
    name, packed = record["name"], frames * record["height"] * -(-record["width"] // 8)
    if not is_masks(name):
        raise ValueError(f"{where}: masks have the name {name!r:.80}")
    pixels = record["height"] * record["width"]
    if not 0 < pixels <= MOST_MASK_PIXELS or packed > record["bytes"] * MOST_EXPANSION:
        raise ValueError(
            f"{name}: {record['bytes']} bytes cannot hold {frames} masks of "
            f"{record['height']}x{record['width']}"
        )
    most = packed + packed // 1000 + MOST_MASK_METADATA
    if record["bytes"] > most:
        raise ValueError(
            f"{name}: found {record['bytes']} bytes for {frames} masks of "
            f"{record['height']}x{record['width']}, expected at most {most}"
        )
    marked = np.array(record["marked"], np.int64).reshape(-1, 2)
    _check_intervals(tables, "masks", marked, np.full(len(marked), row))


def _check_intervals(tables: Tables, what: str, intervals: np.ndarray, owners: np.ndarray) -> None:
    start, end = intervals.T
    wrong = np.flatnonzero((start >= end) | (end > tables.frames[owners]))
    if len(wrong):
        row = int(owners[wrong[0]])
        raise ValueError(f"{_video(tables, row)} has {what} outside its {tables.frames[row]} frames")


_Places = np.ndarray | slice


class _Block(NamedTuple):
    """Neighbouring segments, in the order of their videos or of their places in shards.

    Attributes:
        rows: (K,) their rows.
        before, after: (K,) the rows of their neighbours, themselves at the ends.
        is_start, is_end: (K,) whether there is no neighbour before, or after.
    """

    rows: _Places
    before: _Places
    after: _Places
    is_start: np.ndarray | bool
    is_end: np.ndarray | bool

    def row(self, number: int) -> int:
        """One of the rows."""
        return self.rows.start + number if isinstance(self.rows, slice) else int(self.rows[number])


def _blocks(count: int, order: np.ndarray | None = None) -> Iterator[_Block]:
    for start in range(0, count, _ROWS):
        end = min(count, start + _ROWS)
        if order is None and start > 0 and end < count:  # slices of columns are views
            own, before, after = (slice(start + by, end + by) for by in (0, -1, 1))
            yield _Block(own, before, after, False, False)
            continue
        near = np.arange(start - 1, end + 1).clip(0, count - 1)
        rows = near if order is None else order[near]
        is_start, is_end = near[:-2] == near[1:-1], near[2:] == near[1:-1]
        yield _Block(rows[1:-1], rows[:-2], rows[2:], is_start, is_end)


def _check_places(tables: Tables) -> None:
    """Whether the records of each shard lie one right after another, up to the end of the tar."""
    shard, offset, size = (tables.column(name) for name in ("shard", "offset", "size"))
    count, shards = len(shard), tables.shards.num_rows
    # A shard that holds several videos may have others between them.
    order = None if (shard[1:] >= shard[:-1]).all() else np.lexsort((offset, shard))
    found = np.zeros(shards, bool)
    for block in _blocks(count, order):
        own, begin = shard[block.rows], offset[block.rows].astype(np.int64)
        end = begin + size[block.rows]
        is_first = (shard[block.before] != own) | block.is_start
        is_last = (shard[block.after] != own) | block.is_end
        expected = offset[block.before].astype(np.int64) + size[block.before]
        wrong = np.flatnonzero(begin != np.where(is_first, 0, expected))
        if len(wrong):
            row = block.row(wrong[0])
            name = tables.value("shards", "name", int(shard[row]))
            raise ValueError(f"segment {_segment(tables, row)} does not lie in shard {name} as it should")
        wrong = np.flatnonzero(is_last & (end + len(END_OF_TAR) != tables.shard_bytes[own].astype(np.int64)))
        if len(wrong):
            row = int(own[wrong[0]])
            raise ValueError(
                f"shard {tables.value('shards', 'name', row)} has {tables.shard_bytes[row]} bytes, its "
                f"segments and its end {end[wrong[0]] + len(END_OF_TAR)}"
            )
        found[own[is_first]] = True
    if not found.all():
        raise ValueError(f"shard {tables.value('shards', 'name', int(np.argmin(found)))} holds no segment")


def _check_frames(tables: Tables) -> None:
    """Whether the segments of each video hold all its frames."""
    video, first, frames, channels = (
        tables.column(name) for name in ("video", "first", "frames", "channels")
    )
    if not (video[1:] >= video[:-1]).all():
        raise ValueError("the segments are not in the order of the videos")
    found = np.zeros(len(tables), bool)
    for block in _blocks(len(video)):
        own, begin = video[block.rows], first[block.rows].astype(np.int64)
        is_first = (video[block.before] != own) | block.is_start
        is_last = (video[block.after] != own) | block.is_end
        reached = np.where(is_first, 0, first[block.before].astype(np.int64) + frames[block.before])
        wrong = np.flatnonzero(
            (begin > reached)
            | (frames[block.rows] < 1)
            | ~((channels[block.rows] == 1) | (channels[block.rows] == 3))
        )
        if len(wrong):
            row = block.row(wrong[0])
            raise ValueError(
                f"segment {_segment(tables, row)} of {_video(tables, int(video[row]))} leaves a gap before "
                "it, or holds no frames"
            )
        wrong = np.flatnonzero(is_last & (begin + frames[block.rows] != tables.frames[own]))
        if len(wrong):
            row = int(own[wrong[0]])
            reaches = begin[wrong[0]] + frames[block.rows][wrong[0]]
            raise ValueError(
                f"{_video(tables, row)} has {tables.frames[row]} frames, its segments hold {reaches}"
            )
        found[own] = True
    empty = np.flatnonzero(~found & (tables.frames > 0))
    if len(empty):
        row = int(empty[0])
        raise ValueError(f"{_video(tables, row)} has {tables.frames[row]} frames, its segments hold 0")


def check_manifest(manifest: "Manifest") -> None:
    """What no part of a set can tell alone."""
    _check_geometry(manifest)
    parts = manifest.videos.parts
    splits = [split for part in parts for split in text_column(part.videos, "split")]
    names = [name for part in parts for name in part.names]
    _check_unique("video", [f"{split}/{name}" for split, name in zip(splits, names, strict=True)])
    _check_unique("shard", [name for part in parts for name in part.shard_names()])
    masks = (row for part in parts for row in part.videos.column("masks").drop_null().to_pylist())
    _check_unique("mask file", [row["name"] for row in masks])
    for part in parts:
        _check_windows(part, manifest)


def _check_geometry(manifest: "Manifest") -> None:
    geometry = manifest.geometry
    natural(geometry, "height", "width", "channels")
    natural(manifest, "window")
    height, width, window = geometry.height, geometry.width, manifest.window
    if min(height, width, window) < 1 or window > MOST_WINDOW:
        raise ValueError(f"windows of {window} frames of {height}x{width} cannot be")
    if (needed := segment_bytes(height, width, window)) > MOST_SEGMENT_BYTES:
        raise ValueError(
            f"segments of {height}x{width} for windows of {window} have {needed} bytes of pixels, expected "
            f"at most {MOST_SEGMENT_BYTES}"
        )
    if geometry != (expected := type(geometry)(height=height, width=width)):
        raise ValueError(f"found {geometry.normalisation!r:.160}, expected {expected.normalisation}")


def _check_unique(what: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        name, count = Counter(names).most_common(1)[0]
        raise ValueError(f"lists the {what} {name!r:.80} {count} times")


def _check_windows(tables: Tables, manifest: "Manifest") -> None:
    """Whether each window lies in one segment, and each record can hold its frames.

    So nobody takes memory for what is not there.
    """
    window, geometry = manifest.window, manifest.geometry
    video, first, frames, windows, size, channels = (
        tables.column(name) for name in ("video", "first", "frames", "windows", "size", "channels")
    )
    longest = SEGMENT_WINDOWS + window - 1
    least, most = _record_sizes(manifest, longest, geometry)
    for block in _blocks(len(video)):
        held = frames[block.rows].astype(np.int64)
        begin = first[block.rows].astype(np.int64)
        is_last = (video[block.after] != video[block.rows]) | block.is_end
        stride = first[block.after].astype(np.int64) - begin
        wrong = np.flatnonzero(~is_last & ((stride < 1) | (stride > held - (window - 1))))
        if len(wrong):
            row = block.row(wrong[0])
            one, other = _segment(tables, row), _segment(tables, row + 1)
            raise ValueError(f"no window of {window} frames fits between {one} and {other}")
        expected = np.where(is_last, np.maximum(0, held - window + 1), stride)
        wrong = np.flatnonzero(windows[block.rows] != expected)
        if len(wrong):
            row = block.row(wrong[0])
            raise ValueError(f"segment {_segment(tables, row)} has {windows[row]} windows, which cannot be")
        kind = np.minimum(held, longest) * 4 + channels[block.rows]
        wrong = np.flatnonzero(
            (held > longest) | (size[block.rows] < least[kind]) | (size[block.rows] > most[kind])
        )
        if len(wrong):
            row = block.row(wrong[0])
            raise ValueError(
                f"segment {_segment(tables, row)}: {size[row]} bytes cannot hold {frames[row]} frames of "
                f"{geometry}"
            )


def _record_sizes(manifest: "Manifest", longest: int, geometry: "Geometry") -> tuple[np.ndarray, np.ndarray]:
    """The least and the most bytes of a record of F frames in C channels, each at place 4 * F + C."""
    sizes = np.zeros((2, 4 * longest + 4), np.int64)
    for frames in range(1, longest + 1):
        for channels in (1, 3):
            pixels = frames * geometry.height * geometry.width * channels
            sizes[:, 4 * frames + channels] = manifest.codec.pixels.record_sizes(pixels, frames)
    return sizes[0], sizes[1]


def natural(record: Any, *names: str) -> None:
    """Whether attributes of a record from a foreign file are whole numbers that are not negative."""
    for name in names:
        value = getattr(record, name)
        if type(value) is not int or not 0 <= value <= _MOST_NUMBER:
            raise ValueError(
                f"{type(record).__name__.lower()} with {name} {value!r:.80}, expected a whole number"
            )


def check_masks_record(masks: Masks) -> None:
    """The numbers and the digest of masks from a foreign file."""
    natural(masks, "bytes", "height", "width")
    if not is_digest(masks.digest):
        raise ValueError(f"masks have the digest {masks.digest!r:.80}")


def _video(tables: Tables, row: int) -> str:
    return f"video {tables.names[row]!r:.80}"


def _segment(tables: Tables, row: int) -> str:
    """The key of a segment, for messages."""
    split, name = tables.title(int(tables.column("video")[row]))
    return record_key(video_stem(split, name), int(tables.column("first")[row]))
