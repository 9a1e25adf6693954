"""The table of a scored video that has no labels: one row per scored frame, written while it is scored."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, TypeAlias, get_args

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.errors import SourceError
from pipeline.scoring.choices import Form
from shards.storage import Storage

Table: TypeAlias = pa.Table

FOLDER = "scores"
GROUP = 4096
"""Rows that are written at a time; so many take 3 MB until then."""


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


def read_rows(folder: Storage) -> Table:
    """The table in the results of a video, or all parts of a camera's, with the columns of `SCHEMA`.

    Raises:
        SourceError: it is not there, or not such a table.
        StorageError: it cannot be read.
    """
    forms: dict[str, Form] = {table_name(form): form for form in get_args(Form)}
    names = [name for name in forms if folder.exists(name)][:1] or [
        f"{FOLDER}/{name}" for name in folder.names(FOLDER) if name.endswith(".parquet")
    ]
    if not names:
        raise SourceError(f"{folder}: found no {FOLDER}/, expected the results of a video; score it first")
    return joined(_read_one(folder, name, forms.get(name, "parquet")) for name in names)


def _read_one(folder: Storage, name: str, form: Form) -> Table:
    try:
        with folder.open(name) as file:
            table = _read(file, form)
        return table.select(SCHEMA.names).cast(SCHEMA)
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(
            f"{folder}/{name}: not a table of scores ({reason:.200}); score the video again"
        ) from error


def joined(tables: Iterable[Table]) -> Table:
    """Tables with the columns of `SCHEMA` as one, in order."""
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def _read(file: Any, form: Form) -> Table:
    if form == "csv":
        types = pa.csv.ConvertOptions(
            column_types=SCHEMA, strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        return pa.csv.read_csv(file, convert_options=types)
    return pq.read_table(file)


def _writer(file: IO[bytes], form: Form) -> Any:
    if form == "csv":
        return pa.csv.CSVWriter(file, SCHEMA)
    return pq.ParquetWriter(file, SCHEMA, compression="zstd")
