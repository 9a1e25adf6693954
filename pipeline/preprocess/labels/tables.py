"""Tables of labels as text: a label for each frame, or abnormal intervals in frames or in time."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import TypeVar

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.labels.names import shown, some

EXPECTED = (
    "expected a header video,start,end and lines like 01,60,180 (0-based, end exclusive), or a header "
    "video,frame,label, frame,label or label and lines of 0 and 1 for each frame"
)
INTERVALS = 1_000_000
"""The most intervals in a file: more than anyone marks by hand; they take up to 300 MB."""
_VIDEOS = 100_000
_LINE = 1 << 16
"""Characters, so that no line has many more cells than a table has columns."""
_FORMS = (("video", "start", "end"), ("video", "frame", "label"), ("frame", "label"))
_EDGE = re.compile(r"(start|end)[ _]*[\[(]?(frames?|s|secs?|seconds?|time)?[\])]?")
_ALIASES = {"frames": "frame", "labels": "label", "abnormal": "label"}
_WHOLE = re.compile("[0-9]{1,9}")
_TIME = re.compile(r"(?:(?:([0-9]{1,4}):)?([0-9]{1,4}):)?([0-9]{1,9}(?:[.,][0-9]{1,9})?)")
_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}


@dataclass(frozen=True, kw_only=True)
class FrameTable:
    """A label for each frame.

    Attributes:
        values: name of the video, "" in a table that names none, to (frames,) bool.
        first: the number of the first frame, or None in a table that does not number them.
        ignored: columns that were not read.
    """

    values: dict[str, np.ndarray]
    first: int | None
    ignored: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class IntervalTable:
    """Abnormal intervals in frames.

    Attributes:
        intervals: name of the video to [start, end), 0-based.
        ignored: columns that were not read.
    """

    intervals: dict[str, list[tuple[int, int]]]
    ignored: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TimeTable:
    """Abnormal intervals in time.

    Attributes:
        times: name of the video to [start, end), seconds.
        ignored: columns that were not read.
    """

    times: dict[str, list[tuple[Fraction, Fraction]]]
    ignored: tuple[str, ...]


Row = tuple[int, list[str]]
"""The number of its last line, and its cells."""
Number = TypeVar("Number", int, Fraction)


def read_table(data: bytes, where: str) -> FrameTable | IntervalTable | TimeTable:
    """Read a table with commas, semicolons or tabs between its columns.

    Args:
        data: with a header, or without in tables of frames that name no video.
        where: the file, for messages.

    Raises:
        SourceError: it is no such table.
    """
    rows: Iterator[Row] = _rows(data, where)
    header = next(rows, None)
    if header is None:
        raise SourceError(f"{where}: found an empty table; {EXPECTED}")
    columns: list[tuple[str, str | None]] = [_column(cell) for cell in header[1]]
    if all(re.fullmatch("[0-9.]+", cell) for cell in header[1]):
        if len(columns) > 2:
            raise SourceError(f"{where}: found no header; {EXPECTED}")
        columns = [(name, None) for name in ("frame", "label")[-len(columns) :]]
        rows = chain([header], rows)
    names = [name for name, _ in columns]
    has = set(names)
    twice = [name for name, count in Counter(names).items() if name and count > 1]
    if twice:
        raise SourceError(f"{where}: found column {shown(twice[0])} twice; keep one of them")
    read = next((form for form in _FORMS if has >= set(form)), ("label",))
    if read == ("label",) and names != ["label"]:
        raise SourceError(f"{where}: found columns {some([shown(name) for name in names])}; {EXPECTED}")
    ignored = tuple(name for name in names if name and name not in read)
    places = [names.index(name) for name in read]
    full = _full(rows, len(names), where)
    picked: Iterator[Row] = ((line, [cells[place] for place in places]) for line, cells in full)
    if "start" not in read:
        return _frames(picked, read, where, ignored)
    units = {unit for name, unit in columns if name in ("start", "end")}
    if len(units) > 1:
        raise SourceError(f"{where}: found start and end in different units; give both in the same")
    line, cells = next(picked, (0, []))
    if not cells:
        raise SourceError(f"{where}: found a header and nothing below; {EXPECTED}")
    # One unit throughout, so that no number of seconds is taken for one of a frame.
    unit = units.pop() or ("seconds" if ":" in cells[1] else "frames")
    picked = chain([(line, cells)], picked)
    if unit == "seconds":
        return TimeTable(times=_intervals(picked, _seconds, where), ignored=ignored)
    return IntervalTable(intervals=_intervals(picked, _frame, where), ignored=ignored)


def _rows(data: bytes, where: str) -> Iterator[Row]:
    """Rows that are not empty, with their cells stripped."""
    try:
        lines = _lines(data, where)
        first = next((line for line in lines if line.strip()), "")
        delimiter = next((sign for sign in ";\t" if sign in first), ",")
        reader = csv.reader(chain([first], lines), delimiter=delimiter, skipinitialspace=True, strict=True)
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except (UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{where}: not such a table ({error}); {EXPECTED}") from error


def _lines(data: bytes, where: str) -> Iterator[str]:
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    while line := text.readline(_LINE):
        if len(line) == _LINE:
            raise SourceError(f"{where}: found a line of {_LINE} characters or more; {EXPECTED}")
        yield line


def _full(rows: Iterator[Row], width: int, where: str) -> Iterator[Row]:
    for line, cells in rows:
        if len(cells) < width or any(cells[width:]):
            raise SourceError(
                f"{where}: line {line}: found {len(cells)} columns, expected {width}; {EXPECTED}"
            )
        yield line, cells


def _column(cell: str) -> tuple[str, str | None]:
    """The name that a column goes by, and the unit that its header tells: `frames`, `seconds` or None."""
    name = cell.casefold()
    edge = _EDGE.fullmatch(name)
    if edge is None:
        return _ALIASES.get(name, name), None
    return edge[1], edge[2] and ("frames" if edge[2].startswith("frame") else "seconds")


def _frames(rows: Iterator[Row], read: tuple[str, ...], where: str, ignored: tuple[str, ...]) -> FrameTable:
    values: dict[str, bytearray] = {}
    first: int | None = None
    for line, (*before, label) in rows:
        if label not in _LABELS:
            raise SourceError(
                f"{where}: line {line}: found label {shown(label)}, expected 1 = abnormal or 0 = normal"
            )
        known = values.setdefault(before[0] if "video" in read else "", bytearray())
        if len(values) > _VIDEOS:
            raise SourceError(f"{where}: line {line}: labels more than {_VIDEOS} videos; {EXPECTED}")
        if "frame" in read:
            number = _frame(before[-1], f"{where}: line {line}")
            first = min(number, 1) if first is None else first
            if number != first + len(known):
                raise SourceError(
                    f"{where}: line {line}: found frame {number}, expected {first + len(known)}; give each "
                    "frame of a video once, in order, from 0 or 1"
                )
        known.append(_LABELS[label])
    if not values:
        raise SourceError(f"{where}: found a header and nothing below; {EXPECTED}")
    arrays = {name: np.frombuffer(labels, bool) for name, labels in values.items()}
    return FrameTable(values=arrays, first=first, ignored=ignored)


def _intervals(
    rows: Iterator[Row], parse: Callable[[str, str], Number], where: str
) -> dict[str, list[tuple[Number, Number]]]:
    intervals: dict[str, list[tuple[Number, Number]]] = {}
    for count, (line, (name, start, end)) in enumerate(rows):
        at = f"{where}: line {line}"
        if count == INTERVALS:
            raise SourceError(f"{at}: more than {INTERVALS} intervals; {EXPECTED}")
        interval = parse(start, at), parse(end, at)
        if not interval[0] < interval[1]:
            raise SourceError(f"{at}: interval {start},{end}: expected start < end; {EXPECTED}")
        intervals.setdefault(name, []).append(interval)
    return intervals


def _frame(cell: str, at: str) -> int:
    if not _WHOLE.fullmatch(cell):
        raise SourceError(
            f"{at}: found {shown(cell)} for a frame, expected a whole number; for seconds, call the columns "
            f"start_seconds and end_seconds, or write h:mm:ss throughout; {EXPECTED}"
        )
    return int(cell)


def _seconds(cell: str, at: str) -> Fraction:
    match = _TIME.fullmatch(cell)
    if match is None:
        raise SourceError(f"{at}: found {shown(cell)} for a time, expected seconds, m:ss or h:mm:ss")
    hours, minutes = int(match[1] or 0), int(match[2] or 0)
    seconds = Fraction(match[3].replace(",", "."))
    if (match[1] and minutes >= 60) or (match[2] and seconds >= 60):
        raise SourceError(f"{at}: found {shown(cell)}, expected minutes and seconds below 60")
    return hours * 3600 + minutes * 60 + seconds
