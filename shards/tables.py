"""The tables of a shard set as Arrow: their columns, their bytes, and how rows of several become one table.

A set is described by three tables: its videos, its shards, and the segments that the shards hold. Each is a
file of its own: an Arrow IPC stream of one batch, not compressed, so that a file in memory is the table. Any
reader of Arrow takes them: `pl.read_ipc_stream(file)`, `pa.ipc.open_stream(file).read_all()`.

Dimension letters: V videos, S shards, N segments.
"""

import dataclasses
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from shards.arrowmessages import is_compressed, next_message
from shards.choices import Split
from shards.names import video_order

if TYPE_CHECKING:
    from shards.entries import Video

_DIGEST_BYTES = 32


def _column(name: str, kind: Any) -> Any:
    return pa.field(name, kind, nullable=False)


_INTERVALS = pa.list_(_column("item", pa.list_(_column("item", pa.uint32()), 2)))
_MASKS = pa.struct(
    [
        _column("name", pa.string()),
        _column("bytes", pa.uint64()),
        _column("digest", pa.binary(_DIGEST_BYTES)),
        _column("height", pa.uint32()),
        _column("width", pa.uint32()),
        _column("marked", _INTERVALS),
    ]
)
SCHEMAS: Mapping[str, Any] = {
    "videos": pa.schema(
        [
            _column("name", pa.large_string()),
            _column("split", pa.string()),
            _column("frames", pa.uint32()),
            _column("source", pa.large_string()),
            pa.field("abnormal", _INTERVALS),
            pa.field("label_source", pa.large_string()),
            pa.field("masks", _MASKS),
        ]
    ),
    "shards": pa.schema([_column("name", pa.string()), _column("bytes", pa.uint64())]),
    "segments": pa.schema(
        [
            _column("shard", pa.uint32()),
            _column("video", pa.uint32()),
            _column("offset", pa.uint64()),
            _column("size", pa.uint32()),
            _column("digest", pa.binary(_DIGEST_BYTES)),
            _column("first", pa.uint32()),
            _column("frames", pa.uint16()),
            _column("windows", pa.uint16()),
            _column("channels", pa.uint8()),
        ]
    ),
    "stamps": pa.schema([_column("stamp", pa.string())]),
}
"""The tables of a set, and what `preprocess` keeps beside them, by name."""


TABLES = ("videos", "shards", "segments")
"""The tables of a set, in the order in which they are given everywhere."""


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A file that holds a table.

    Attributes:
        rows, bytes: of it.
        digest: BLAKE3 of its bytes.
    """

    rows: int
    bytes: int
    digest: str


class Part(NamedTuple):
    """The files of a part of a set, in which the rows of videos and shards count from 0."""

    videos: TableFile
    shards: TableFile
    segments: TableFile


class Tables:
    """The videos of a set, or a part of them, with their shards and segments.

    Segments are sorted by their video, and by their first frame within it; `video` and `shard` of a segment
    are rows of the other two tables.

    Args:
        videos, shards, segments: batches of the schemas of the same name.
        part: the files that they were read from, or None if they were made here.
        where: the file of the videos, for messages.
    """

    def __init__(
        self, videos: Any, shards: Any, segments: Any, *, part: Part | None = None, where: str = "a set"
    ) -> None:
        self.videos, self.shards, self.segments = videos, shards, segments
        self.part, self.where = part, where

    def __len__(self) -> int:
        return int(self.videos.num_rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tables):
            return NotImplemented
        return all(mine.equals(theirs) for mine, theirs in zip(self.batches(), other.batches(), strict=True))

    __hash__ = None  # type: ignore[assignment]

    def batches(self) -> tuple[Any, Any, Any]:
        """Videos, shards and segments."""
        return self.videos, self.shards, self.segments

    def column(self, name: str) -> np.ndarray:
        """A column of numbers of the segments (N,), a view; `digest` is (N, 32) uint8."""
        return _numbers(self.segments.column(name))

    @cached_property
    def names(self) -> list[str]:
        """(V,) of the videos."""
        names: list[str] = self.videos.column("name").to_pylist()
        return names

    @cached_property
    def frames(self) -> np.ndarray:
        """(V,) of the videos."""
        return _numbers(self.videos.column("frames"))

    @cached_property
    def shard_bytes(self) -> np.ndarray:
        """(S,) of the shards."""
        return _numbers(self.shards.column("bytes"))

    @cached_property
    def ranges(self) -> np.ndarray:
        """(V + 1,) where the segments of each video start, and where those of the last end."""
        return np.searchsorted(self.column("video"), np.arange(len(self) + 1))

    def is_of(self, split: str) -> np.ndarray:
        """(V,) bool, whether a video is of a split."""
        flags: np.ndarray = pc.equal(self.videos.column("split"), split).to_numpy(zero_copy_only=False)
        return flags

    def contains(self, column: str, text: str) -> np.ndarray:
        """(V,) bool, whether a column of the videos has a text in it."""
        flags: np.ndarray = pc.match_substring(self.videos.column(column), text).to_numpy(
            zero_copy_only=False
        )
        return flags

    def matches(self, column: str, pattern: str) -> np.ndarray:
        """(V,) bool, whether a pattern, in the syntax of RE2, is somewhere in a column of the videos."""
        flags: np.ndarray = pc.match_substring_regex(self.videos.column(column), pattern).to_numpy(
            zero_copy_only=False
        )
        return flags

    def numbers(self, column: str, pattern: str) -> np.ndarray:
        """(V, G) float64, what the named groups of a pattern find in a column of the videos, else NaN."""
        groups = pc.extract_regex(self.videos.column(column), pattern).flatten()
        numbers = [pc.cast(pc.if_else(pc.equal(text, ""), None, text), pa.float64()) for text in groups]
        return np.stack([each.to_numpy(zero_copy_only=False) for each in numbers], axis=1)

    def is_given(self, column: str) -> np.ndarray:
        """(V,) bool, whether a video has a value in a column."""
        flags: np.ndarray = self.videos.column(column).is_valid().to_numpy(zero_copy_only=False)
        return flags

    def shard_names(self) -> list[str]:
        """(S,) of the shards."""
        names: list[str] = self.shards.column("name").to_pylist()
        return names

    def value(self, table: str, name: str, row: int) -> Any:
        """One value of `videos` or `shards`, as Python has it."""
        return getattr(self, table).column(name)[row].as_py()

    def titles(self) -> list[tuple[Split, str]]:
        """(V,) split and name of each video."""
        return list(zip(text_column(self.videos, "split"), self.names, strict=True))

    @property
    def has_masks(self) -> bool:
        """Whether any video has masks."""
        return bool(self.videos.column("masks").null_count < len(self))

    def title(self, row: int) -> tuple[Split, str]:
        """Split and name of a video."""
        return self.value("videos", "split", row), self.names[row]


def tables_of(videos: "Sequence[Video]") -> Tables:
    """Videos with their shards and segments as tables, in the order in which they are given."""
    shard_rows: dict[str, int] = {}
    shards: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    for number, video in enumerate(videos):
        for shard in video.shards:
            if shard.name not in shard_rows:
                shard_rows[shard.name] = len(shards)
                shards.append({"name": shard.name, "bytes": shard.bytes})
            for segment in shard.segments:
                row = {**vars(segment), "video": number, "shard": shard_rows[shard.name]}
                segments.append({**row, "digest": bytes.fromhex(segment.digest)})
    rows = [
        {
            **{name: getattr(video, name) for name in SCHEMAS["videos"].names},
            "source": json.dumps(dict(video.source), sort_keys=True, ensure_ascii=False),
            "masks": None
            if video.masks is None
            else dataclasses.asdict(video.masks) | {"digest": bytes.fromhex(video.masks.digest)},
        }
        for video in videos
    ]
    return Tables(_batch("videos", rows), _batch("shards", shards), _batch("segments", segments))


def joined(chosen: Sequence[tuple[Tables, np.ndarray]]) -> Tables:
    """Some videos of several tables in one, in the order of a set.

    Args:
        chosen: tables, and (V,) the rows of those of their videos that are taken.
    """
    owner = np.repeat(np.arange(len(chosen)), [len(rows) for _, rows in chosen])
    rows = np.concatenate([np.zeros(0, np.int64), *(rows for _, rows in chosen)])
    keys = [video_order(*tables.title(row)) for tables, taken in chosen for row in taken.tolist()]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    owner, rows = owner[order], rows[order]
    starts = np.cumsum([0, *(tables.segments.num_rows for tables, _ in chosen)])
    ranges = [tables.ranges for tables, _ in chosen]
    begins = np.array([ranges[o][r] for o, r in zip(owner, rows, strict=True)], np.int64)
    counts = np.array([ranges[o][r + 1] for o, r in zip(owner, rows, strict=True)], np.int64) - begins
    segment = runs_of(begins + starts[owner], counts)
    segments = pa.concat_batches([tables.segments for tables, _ in chosen]).take(pa.array(segment))
    segments = replaced(segments, "video", np.repeat(np.arange(len(rows)), counts))
    shard_starts = np.cumsum([0, *(tables.shards.num_rows for tables, _ in chosen)])
    shard = _numbers(segments.column("shard")) + shard_starts[np.repeat(owner, counts)]
    video_starts = np.cumsum([0, *(len(tables) for tables, _ in chosen)])
    videos = pa.concat_batches([tables.videos for tables, _ in chosen])
    return Tables(
        _plain(videos.take(pa.array(rows + video_starts[owner]))),
        *_in_order_of_use(pa.concat_batches([tables.shards for tables, _ in chosen]), segments, shard),
    )


def relaid(
    tables: Tables, shards: Sequence[tuple[str, int]], shard: np.ndarray, offset: np.ndarray
) -> Tables:
    """Tables of the same records, some of which lie elsewhere.

    Args:
        tables: as they are.
        shards: names and bytes of shards that come after theirs.
        shard: (N,) of each segment, the row of its shard now.
        offset: (N,) where it lies there.
    """
    more = _batch("shards", [{"name": name, "bytes": size} for name, size in shards])
    segments = replaced(tables.segments, "offset", offset)
    known = pa.concat_batches([tables.shards, more])
    return Tables(tables.videos, *_in_order_of_use(known, segments, shard), where=tables.where)


def _in_order_of_use(shards: Any, segments: Any, shard: np.ndarray) -> tuple[Any, Any]:
    """The shards that segments lie in, each once, and the segments with their rows.

    Args:
        shards, segments: batches.
        shard: (N,) of each segment, the row of its shard, or of another of the same name.
    """
    code = _numbers(shards.column("name").dictionary_encode().indices)
    row_of = np.unique(code, return_index=True)[1]
    used, first, inverse = np.unique(code[shard], return_index=True, return_inverse=True)
    by_use = np.argsort(first)
    place = np.empty(len(used), np.uint32)
    place[by_use] = np.arange(len(used))
    return shards.take(pa.array(row_of[used[by_use]])), replaced(segments, "shard", place[inverse])


def replaced(batch: Any, name: str, values: np.ndarray) -> Any:
    """A batch with other values (N,) in one of its columns."""
    at = batch.schema.get_field_index(name)
    field = batch.schema.field(at)
    return batch.set_column(at, field, pa.array(values, field.type))


def _plain(batch: Any) -> Any:
    """With columns that may have gaps made anew: what lies under a gap depends on where the rows were."""
    for at, field in enumerate(batch.schema):
        if field.nullable:
            batch = batch.set_column(at, field, pa.array(batch.column(at).to_pylist(), field.type))
    return batch


def runs_of(begins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers [begin, begin + count) of each run, one run after another."""
    ends = np.cumsum(counts)
    numbers: np.ndarray = np.repeat(begins - (ends - counts), counts)
    return numbers + np.arange(len(numbers))


def encoded(batch: Any) -> Any:
    """A batch as the bytes of its file, a buffer."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def decoded(table: str, buffer: Any, rows: int) -> Any:
    """Inverse of `encoded`: the batch lies in `buffer` and takes no memory of its own.

    Args:
        table: its name.
        buffer: bytes from anywhere.
        rows: that it must have.

    Raises:
        ValueError: the bytes are anything else than such a table.
    """
    schema = SCHEMAS[table]
    try:
        reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(buffer))
        found = pa.ipc.read_schema(next_message(reader, "schema"))
        if not found.equals(schema, check_metadata=True):
            raise ValueError(f"has the columns {', '.join(found.names)!r:.160} or columns of other types")
        message = next_message(reader, "record batch")
        if is_compressed(message.metadata.to_pybytes()):
            raise ValueError("is compressed")
        batch = pa.ipc.read_record_batch(message, schema)
        batch.validate(full=True)
    except (
        StopIteration,
        EOFError,
        OSError,
        MemoryError,
        OverflowError,
        struct.error,
        pa.ArrowException,
    ) as e:
        reason = str(e).partition("\n")[0] or "cut short"
        raise ValueError(f"is no table of {table}: {reason:.160}") from None
    if batch.num_rows != rows:
        raise ValueError(f"has {batch.num_rows} rows, expected {rows}")
    for field, column in zip(schema, batch.columns, strict=True):
        if not _is_filled(field, column):
            raise ValueError(f"has gaps in the column {field.name}")
    return batch


def _is_filled(field: Any, column: Any) -> bool:
    """Whether there is a value wherever the schema promises one, at any depth."""
    if column.null_count and not field.nullable:
        return False
    kind = field.type
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        return _is_filled(kind.value_field, column.flatten())
    if pa.types.is_struct(kind):
        rows = column.drop_null()
        return all(_is_filled(kind.field(i), rows.field(i)) for i in range(kind.num_fields))
    return True


def intervals_in(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """The intervals (M, 2) of all rows of a column, and (M,) the row of each."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    pairs = _numbers(column.flatten().flatten()).reshape(-1, 2)
    return pairs.astype(np.int64), np.repeat(np.arange(len(lengths)), lengths)


def text_column(batch: Any, name: str) -> list[Any]:
    """All values of a column, as Python has them."""
    values: list[Any] = batch.column(name).to_pylist()
    return values


def stamps_batch(stamps: Sequence[str]) -> Any:
    """The table `stamps` (V,)."""
    return _batch("stamps", [{"stamp": stamp} for stamp in stamps])


def _batch(table: str, rows: list[dict[str, Any]]) -> Any:
    schema = SCHEMAS[table]
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    return pa.record_batch(columns, schema=schema)


def _numbers(column: Any) -> np.ndarray:
    """A column without gaps as an array, a view."""
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        data = np.frombuffer(column.buffers()[1] or b"", np.uint8)
        return data[column.offset * width : (column.offset + len(column)) * width].reshape(-1, width)
    found: np.ndarray = column.to_numpy(zero_copy_only=True)
    return found
