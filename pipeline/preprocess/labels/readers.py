"""Reads one label file, and says which videos it labels."""

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.labels.bytestream import ByteStream
from pipeline.preprocess.labels.kinds import ArrayLabels, FrameLabels, IntervalLabels, Labels, TimeLabels
from pipeline.preprocess.labels.matfiles import open_cell
from pipeline.preprocess.labels.names import Matched, VideoNames, only_number, shown, some
from pipeline.preprocess.labels.npyfiles import Npy, open_npy
from pipeline.preprocess.labels.scripts import SCRIPT_BYTES, read_script
from pipeline.preprocess.labels.tables import INTERVALS, FrameTable, IntervalTable, TimeTable, read_table
from pipeline.preprocess.sources.tree import SourceFile, Tree
from pipeline.preprocess.sources.videos import Layout, SourceVideo
from shards.text import printable

TABLES = (".csv", ".tsv")
_SET_BYTES = 32 << 20
"""Room for labels of a whole set of which only some videos are here: 46 hours in float64."""
_VIDEO_BYTES = 1 << 20
"""The same for the labels of one video: 1.5 hours."""
_FRAME_BYTES = 64
"""A line video,frame,label is shorter, and few containers store a video in less than this per frame."""
_ROWS = 100_000
"""Videos that a `gt` may label."""
_LAST = 10**9
"""A frame that no video has."""
Interval = TypeVar("Interval")


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The labels of one video.

    Attributes:
        values: (frames,) bool.
        first: the number of the first frame where the file numbers them, or None.
    """

    values: np.ndarray
    first: int | None


def located(tree: Tree, file: SourceFile) -> str:
    """The file, for messages."""
    return printable(f"{tree.source}/{file.path}")


def read_labels(tree: Tree, file: SourceFile, layout: Layout) -> Labels:
    """The labels in a file for all testing videos.

    Raises:
        SourceError: they cannot be read, or are not those of the testing videos.
    """
    most = _most(layout.testing(), _SET_BYTES)
    stream = _open(tree, file, min(most, SCRIPT_BYTES) if file.suffix == ".m" else most)
    where, name = stream.where, printable(file.name)
    if file.suffix == ".npy":
        return ArrayLabels(file=name, values=_array(open_npy(stream)))
    if file.suffix == ".mat":
        rows = _gt(stream, most)
        return _by_position(name, layout, rows, "gt: first and last abnormal frame, 1-based", where)
    if file.suffix == ".m":
        rows = [
            [_from_one(first, last, f"{where}: clip {number}") for first, last in ranges]
            for number, ranges in enumerate(read_script(stream.read(SCRIPT_BYTES), where), start=1)
        ]
        return _by_position(name, layout, rows, "gt_frame, 1-based inclusive", where)
    return _by_name(name, read_table(stream.read(most), where), layout, where)


def read_frames(tree: Tree, file: SourceFile, video: SourceVideo) -> Frames | None:
    """The labels in a file for one video; None if it is an array of masks.

    Raises:
        SourceError: they cannot be read.
    """
    most = _most([video], _VIDEO_BYTES)
    if file.suffix == ".npy" and len(open_npy(_stream(tree, file)).shape) == 3:
        return None
    stream = _open(tree, file, most)
    if file.suffix == ".npy":
        return Frames(values=_array(open_npy(stream)), first=None)
    table = read_table(stream.read(most), stream.where)
    if not isinstance(table, FrameTable) or list(table.values) != [""]:
        raise SourceError(f"{stream.where}: found a table of several videos, expected a label for each frame")
    return Frames(values=table.values[""], first=table.first)


def partial_notes(file: str, matched: Matched) -> tuple[str, ...]:
    """What a user should know of labels whose names are not those of the testing videos.

    Args:
        file: with the labels.
        matched: its names.
    """
    notes = []
    if matched.unknown:
        count = len(matched.videos) + len(matched.unknown)
        names = some([shown(name) for name in matched.unknown])
        notes.append(f"{file}: labels {count} videos, of which {len(matched.videos)} are here; not {names}")
    if matched.by_number:
        pairs = some([f"{shown(name)} is {matched.videos[name]}" for name in matched.by_number])
        notes.append(f"{file}: matched by number: {pairs}")
    return tuple(notes)


def _most(videos: list[SourceVideo], least: int) -> int:
    """Bytes that a file with labels of some videos may have, but always `least`.

    How many frames a video file has is not known yet: its own size bounds the size of its labels.
    """
    images = sum(len(video.files) for video in videos if video.is_images)
    return max(least, _FRAME_BYTES * images + sum(video.size for video in videos if not video.is_images))


def _open(tree: Tree, file: SourceFile, most: int) -> ByteStream:
    """A label file, unless it is larger than its labels can be."""
    if file.size > most:
        raise SourceError(
            f"{located(tree, file)}: found {file.size} bytes, expected at most {most} for labels of these "
            "testing videos; give the matching file with --labels"
        )
    return _stream(tree, file)


def _stream(tree: Tree, file: SourceFile) -> ByteStream:
    return ByteStream(tree.source.chunks(file.path), located(tree, file))


def _array(npy: Npy) -> np.ndarray:
    """The labels in an array (frames,), (1, frames) or (frames, 1), bool."""
    where = npy.stream.where
    if max(npy.shape, default=1) != math.prod(npy.shape):
        raise SourceError(
            f"{where}: found an array {npy.shape}, expected (frames,) or (1, frames); for masks of pixels, "
            "give their folder"
        )
    values = npy.read().reshape(-1)
    wrong = np.flatnonzero((values != 0) & (values != 1))
    if wrong.size:
        raise SourceError(
            f"{where}: found values other than 0 and 1, the first {values[wrong[0]]} at frame {wrong[0]}; "
            "expected 1 = abnormal, 0 = normal"
        )
    return np.asarray(values == 1)


def _gt(stream: ByteStream, most: int) -> list[list[tuple[int, int]]]:
    cell = open_cell(stream, "gt", values=2 * INTERVALS, inflated=most)
    if cell.count > _ROWS:
        raise SourceError(f"{stream.where}: gt has {cell.count} cells, expected one for each testing video")
    return [
        _gt_intervals(matrix, f"{stream.where}: gt {number}")
        for number, matrix in enumerate(cell.elements, start=1)
    ]


def _gt_intervals(matrix: np.ndarray, where: str) -> list[tuple[int, int]]:
    """Row 0 of a (2, k) cell holds first frames, row 1 last ones, both 1-based."""
    if matrix.size == 0:
        return []
    if matrix.shape == (1, 2):
        matrix = matrix.T
    if matrix.ndim != 2 or matrix.shape[0] != 2:
        raise SourceError(f"{where}: found a cell {matrix.shape}, expected (2, intervals)")
    numbers = matrix.astype(np.float64)
    wrong = numbers[~((numbers >= 0) & (numbers < _LAST) & (np.floor(numbers) == numbers))]
    if wrong.size:
        raise SourceError(f"{where}: found {wrong[0]:g}; expected whole numbers of frames, from 1")
    return [_from_one(int(first), int(last), where) for first, last in numbers.T]


def _from_one(first: int, last: int, where: str) -> tuple[int, int]:
    """1-based inclusive to 0-based end-exclusive."""
    if not 1 <= first <= last:
        raise SourceError(f"{where}: found an interval from {first} to {last}; expected 1 <= first <= last")
    return first - 1, last


def _by_position(
    file: str, layout: Layout, rows: list[list[tuple[int, int]]], convention: str, where: str
) -> IntervalLabels:
    """Labels in order of the testing videos; of a set of which only some are here, by their numbers."""
    names = [video.name for video in layout.testing()]
    if len(rows) == len(names):
        intervals = dict(zip(names, rows, strict=True))
        return IntervalLabels(file=file, convention=convention, intervals=intervals)
    by_number = {str(number): row for number, row in enumerate(rows, start=1)}
    numbers = [only_number(name) or "" for name in names]
    if len(rows) < len(names) or len(set(numbers)) < len(names) or not by_number.keys() >= set(numbers):
        raise SourceError(
            f"{where}: labels {len(rows)} videos, but there are {len(names)} testing videos ({some(names)}); "
            f"give the matching file with --labels, or number the videos as it does, from 1 to {len(rows)}"
        )
    return IntervalLabels(
        file=file,
        convention=convention,
        intervals={name: by_number[number] for name, number in zip(names, numbers, strict=True)},
        notes=(
            f"{file}: labels {len(rows)} videos, of which {len(names)} are here, matched by number: number "
            f"{numbers[0]} is {names[0]}",
        ),
    )


def _by_name(file: str, table: FrameTable | IntervalTable | TimeTable, layout: Layout, where: str) -> Labels:
    """Labels of a table; a video is meant by its name, its file's name or its number."""
    names = some([shown(column) for column in table.ignored])
    notes: tuple[str, ...] = (f"{file}: columns {names} are not read",) if names else ()
    if isinstance(table, FrameTable) and list(table.values) == [""]:
        return ArrayLabels(file=file, values=table.values[""], first=table.first, notes=notes)
    if isinstance(table, FrameTable):
        matched = _matched(list(table.values), layout, where)
        values = {name: table.values[label] for label, name in matched.videos.items()}
        if len(values) < len(matched.videos):
            raise SourceError(f"{where}: labels a video under two names; expected one name for each video")
        return FrameLabels(
            file=file,
            convention=f"1 = abnormal, frames of each video from {table.first}",
            values=values,
            notes=(*notes, *partial_notes(file, matched)),
        )
    labelled = list(table.intervals if isinstance(table, IntervalTable) else table.times)
    matched = _matched(labelled, layout, where)
    notes += partial_notes(file, matched)
    if isinstance(table, TimeTable):
        return TimeLabels(file=file, intervals=_by_video(table.times, matched), notes=notes)
    return IntervalLabels(
        file=file,
        convention="0-based, end exclusive",
        intervals=_by_video(table.intervals, matched),
        notes=notes,
    )


def _by_video(found: dict[str, list[Interval]], matched: Matched) -> dict[str, list[Interval]]:
    """Intervals by the name of the video; it may have been written in several ways."""
    intervals: dict[str, list[Interval]] = {}
    for label, name in matched.videos.items():
        intervals.setdefault(name, []).extend(found[label])
    return intervals


def _matched(names: list[str], layout: Layout, where: str) -> Matched:
    """The testing videos that names mean, of which there must be one at least."""
    videos = VideoNames(layout.testing())
    matched = videos.match(names, where)
    if not matched.videos:
        raise SourceError(
            f"{where}: labels video {shown(names[0])}, but the testing videos are {some(videos.known)}; "
            "write their names"
        )
    return matched
