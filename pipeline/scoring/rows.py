"""The table of a scored video that has no labels: one row per scored frame, written while it is scored."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, TypeAlias, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.scoring.choices import Form
from pipeline.scoring.parquetfiles import BATCH_ROWS, most_rows, opened, size_of
from shards.storage import Storage

Table: TypeAlias = pa.Table

FOLDER = "scores"
GROUP = 4096
"""Rows that are written at a time; so many take 3 MB until then."""
MOST_TABLE_BYTES = 1 << 30
"""The largest table in a bucket or on a server, in bytes, which is held whole: a week at 25 frames/s."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A scored frame. What is None, or NaN, is not known: nothing is calibrated, or an alarm cannot come yet.

    Attributes:
        video: its name.
        frame: number of the frame, from 0.
        time: with zone; None of a file, which has no clock.
        seconds: since the first frame.
        psnr, feature_distance, point_score, memory_updated: as in the table of `evaluate`.
        local_error: in the box of an eighth of the shorter side, dB.
        evidence: standard deviations above normal; uncalibrated, the smoothed local error in dB.
        rarity_hours: normal video shows as much once in so many hours.
        p: share of the calibration's time with more evidence.
        alarm: whether an alarm is open.
        event: id of the event that it is of.
        x, y, w, h: left, top, width and height of the most abnormal place, as parts of the picture.
        profile: of the frame.
        gap: whether frames are missing before it, or are damaged, so that windows began anew.
    """

    video: str
    frame: int
    time: datetime | None = None
    seconds: float
    psnr: float
    feature_distance: float
    point_score: float
    memory_updated: bool
    local_error: float
    evidence: float
    rarity_hours: float | None
    p: float | None
    alarm: bool
    event: str | None
    x: float
    y: float
    w: float
    h: float
    profile: str | None
    gap: bool


_TYPES: dict[str, pa.DataType] = {
    "video": pa.string(),
    "frame": pa.int64(),
    "time": pa.timestamp("us", tz="UTC"),
    "event": pa.string(),
    "profile": pa.string(),
    **dict.fromkeys(("memory_updated", "alarm", "gap"), pa.bool_()),
}
_TEXT = [name for name, kind in _TYPES.items() if pa.types.is_string(kind)]
_ANY_TEXT, _TEXT_PER_BYTE = 64 << 20, 16
"""Bytes of text that tables of any size may have, and each of their bytes: a row takes 60, and has a name."""
_MAYBE = ("time", "rarity_hours", "p", "event", "profile")
SCHEMA = pa.schema(
    [
        pa.field(field.name, _TYPES.get(field.name, pa.float64()), nullable=field.name in _MAYBE)
        for field in dataclasses.fields(Row)
    ]
)
"""The columns, those of `Row` in its order."""


class Rows:
    """A table that is being written; see `writing_rows`."""

    def __init__(self, write: Callable[[pa.Table], None]) -> None:
        self._write = write
        self._held: list[dict[str, Any]] = []

    def append(self, row: Row) -> None:
        """Add a row."""
        self._held.append(vars(row))
        if len(self._held) == GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            self._write(pa.Table.from_pylist(self._held, schema=SCHEMA))
            self._held = []


def table_name(form: Form) -> str:
    """Where in the results of a video its table lies."""
    return f"{FOLDER}/scores.{form}"


@contextlib.contextmanager
def writing_rows(out: Storage, form: Form) -> Iterator[Rows]:
    """A table that appears, whole, when the block ends without an error; memory does not grow with it.

    Args:
        out: the results of a video.
        form: of the file.

    Raises:
        StorageError: it cannot be written.
    """
    with writing_tables(out, form) as write:
        rows = Rows(write)
        yield rows
        rows.flush()


@contextlib.contextmanager
def writing_tables(out: Storage, form: Form, name: str | None = None) -> Iterator[Callable[[Table], None]]:
    """The same of rows that are in tables already; gives what writes one.

    Args:
        out, form: as of `writing_rows`.
        name: of the file; None is that of the one table of a video.
    """
    with out.writing(name or table_name(form)) as file, _writer(file, form) as writer:
        yield writer.write_table


def read_rows(*folders: Storage) -> Table:
    """The tables in the results of videos, or all parts of a camera's, with the columns of `SCHEMA`.

    Args:
        folders: of results; of none there is no row.

    Raises:
        SourceError: a folder has none, or something else than such a table.
        StorageError: one cannot be read.
    """
    forms: dict[str, Form] = {table_name(form): form for form in get_args(Form)}
    seen, tables = _Seen(), [SCHEMA.empty_table()]
    for folder in folders:
        names = [name for name in forms if folder.exists(name)][:1] or [
            f"{FOLDER}/{name}" for name in folder.names(FOLDER) if name.endswith(".parquet")
        ]
        if not names:
            raise SourceError(
                f"{folder}: found no {FOLDER}/, expected the results of a video; score it first"
            )
        tables += [_read_one(folder, name, forms.get(name, "parquet"), seen) for name in names]
    return pa.concat_tables(tables)


@dataclass
class _Seen:
    """What was read of Parquet files that are held together.

    Attributes:
        size: bytes of the files.
        rows: in them.
        text: bytes of the text in these, which is held once for each row.
    """

    size: int = 0
    rows: int = 0
    text: int = 0


def _read_one(folder: Storage, name: str, form: Form, seen: _Seen) -> Table:
    try:
        with folder.open(name, most=MOST_TABLE_BYTES) as file:
            return _read_csv(file) if form == "csv" else _read_parquet(file, seen)
    except (pa.ArrowException, KeyError, ValueError, OSError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(
            f"{folder}/{name}: not a table of scores ({reason:.200}); score the video again"
        ) from error


def _read_csv(file: Any) -> Table:
    types = pa.csv.ConvertOptions(
        column_types=SCHEMA, strings_can_be_null=True, quoted_strings_can_be_null=False
    )
    return pa.csv.read_csv(file, convert_options=types).select(SCHEMA.names).cast(SCHEMA)


def _read_parquet(file: Any, seen: _Seen) -> Table:
    """A table, a batch at a time: what is small in the file, as a name in each row, may be large here."""
    seen.size += size_of(file)
    part = opened(file, _TEXT)
    seen.rows += part.metadata.num_rows
    most = most_rows(seen.size)
    if not 0 <= seen.rows <= most:
        raise ValueError(f"found {seen.rows} rows in {seen.size} bytes, expected at most {most}")
    _check_types(part.schema_arrow)
    tables = [SCHEMA.empty_table()]
    for batch in part.iter_batches(BATCH_ROWS, columns=SCHEMA.names):
        batch.validate(full=True)
        seen.text += sum(_text_bytes(batch[name]) for name in _TEXT)
        most = _ANY_TEXT + _TEXT_PER_BYTE * seen.size
        if seen.text > most:
            raise ValueError(f"found names of {seen.text} bytes in {seen.size}, expected at most {most}")
        tables.append(pa.Table.from_batches([batch]).select(SCHEMA.names).cast(SCHEMA))
    return pa.concat_tables(tables)


def _check_types(found: pa.Schema) -> None:
    """Refuse columns of which one value may have any size, but text that is held once."""
    for name in SCHEMA.names:
        kind = found.field(name).type
        is_text = pa.types.is_dictionary(kind) and name in _TEXT
        if not (is_text or pa.types.is_primitive(kind) or pa.types.is_null(kind)):
            raise ValueError(f"found {name} of type {kind!s:.80}, expected {SCHEMA.field(name).type}")


def _text_bytes(column: pa.Array) -> int:
    """Of a column of a batch, each row with its own copy."""
    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = pc.binary_length(column.dictionary).take(column.indices)
    return int(pc.sum(lengths).as_py() or 0)


def _writer(file: IO[bytes], form: Form) -> Any:
    if form == "csv":
        return pa.csv.CSVWriter(file, SCHEMA)
    return pq.ParquetWriter(file, SCHEMA, compression="zstd")
