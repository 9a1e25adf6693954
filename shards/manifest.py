"""`manifest.json`, and the tables that it names: everything about a shard set.

It is written last; a set without it is incomplete. The tables hold the rows of videos, shards and segments,
see `shards.tables`; a row becomes an object when it is looked at. The same input and options give the same
bytes: no times, no paths of the machine that made it.
"""

import bisect
import dataclasses
import hashlib
import itertools
import json
import reprlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar, overload

import numpy as np

from shards.checks import check_manifest, check_masks_record, check_tables, natural
from shards.choices import Split
from shards.codecs import Codec
from shards.digests import is_digest
from shards.errors import CorruptShardError, NoSetError, ShardError
from shards.jsonfile import parse_json
from shards.limits import MOST_MANIFEST_BYTES
from shards.masks import Masks
from shards.names import record_key, video_order, video_stem
from shards.storage import Storage
from shards.tablefiles import part_of, read_part, write_part
from shards.tables import Part, TableFile, Tables, runs_of, tables_of, text_column

FORMAT = "mnad-shards"
VERSION = 3
MANIFEST = "manifest.json"
VERSIONS = "versions"
"""The folder of the manifests of all versions, see `shards.versions`."""
_MOST_PARTS = 64
"""Of a set; each is more than half as large as the next is, so that a billion videos have 30."""

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """What a stored frame looks like: uint8 height x width x 3, channels in the order BGR.

    The normalised frame is `u8 / scale + offset`, in [-1, 1].
    """

    height: int
    width: int
    channels: int = 3
    channel_order: str = "BGR"
    scale: float = 127.5
    offset: float = -1.0

    def __str__(self) -> str:
        return f"{self.height}x{self.width} {self.channel_order}"

    @property
    def normalisation(self) -> str:
        """How pixels become numbers, for messages."""
        return f"{self.channels} channels {self.channel_order} normalised by / {self.scale} + {self.offset}"


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A run of consecutive frames, stored once as one record of a shard.

    Attributes:
        key: the record's webdataset key.
        offset, size: bytes of the record in the shard, headers included.
        digest: of those bytes.
        first, frames: the frames of the video it holds.
        windows: windows of the set's T that start in it.
        channels: 1 if the three channels of all its frames are equal and stored once, else 3.
    """

    key: str
    offset: int
    size: int
    digest: str
    first: int
    frames: int
    windows: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One tar: segments, in order, one right after the other, and the end of a tar.

    Attributes:
        name: of the file.
        bytes: of the file.
        segments: of one video, in the order of their bytes; small videos share a shard (`shards.packing`).
    """

    name: str
    bytes: int
    segments: Sequence[Segment]


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video of the set.

    Attributes:
        name: unique within its split; for people and score tables.
        frames: counted by decoding.
        source: what it was made from: at least `bytes` and `digest` of the file or of the listed images;
            for video files also what the audit of the container found.
        shards: the tars that hold it, in order, with its own segments; read from the tables when they are
            looked at.
        abnormal: labelled intervals [start, end) of abnormal frames, or None without labels.
        label_source: what the labels came from, or None.
        masks: the file with its pixel masks, or None.
    """

    name: str
    split: Split
    frames: int
    source: dict[str, Any]
    shards: Sequence[Shard]
    abnormal: tuple[tuple[int, int], ...] | None = None
    label_source: str | None = None
    masks: Masks | None = None

    @property
    def labels(self) -> np.ndarray | None:
        """(frames,) bool, True where abnormal, or None without labels."""
        if self.abnormal is None:
            return None
        labels = np.zeros(self.frames, bool)
        for start, end in self.abnormal:
            labels[start:end] = True
        return labels


class Rows(Sequence[Item]):
    """A sequence whose items are made when they are asked for; equal to any sequence of the same items."""

    @abstractmethod
    def _make(self, number: int) -> Item:
        """The item of a number from 0 on."""

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Item, ...]: ...
    def __getitem__(self, index: int | slice) -> Item | tuple[Item, ...]:
        if isinstance(index, slice):
            return tuple(self._make(number) for number in range(len(self))[index])
        return self._make(range(len(self))[index])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{len(self)} rows>"


class Made(Rows[Item]):
    """Rows by a function.

    Args:
        count: how many there are.
        make: gives the item of a number from 0 on.
    """

    def __init__(self, count: int, make: Callable[[int], Item]) -> None:
        self._count, self._item = count, make

    def __len__(self) -> int:
        return self._count

    def _make(self, number: int) -> Item:
        return self._item(number)


class Videos(Rows[Video]):
    """Videos of a set, whose rows lie in tables.

    Args:
        parts: the tables.
        part, row: (V,) of each video, the number of its tables and its row there; all of them in the order
            of a set if left out.
    """

    def __init__(
        self, parts: Sequence[Tables], part: np.ndarray | None = None, row: np.ndarray | None = None
    ) -> None:
        self.parts = tuple(parts)
        if part is None or row is None:
            part, row = _in_order(self.parts)
        self.part, self.row = part, row

    def __len__(self) -> int:
        return len(self.row)

    def _make(self, number: int) -> Video:
        return _video(self.parts[self.part[number]], int(self.row[number]))

    @staticmethod
    def of(videos: Sequence[Video]) -> "Videos":
        """Videos in the order in which they are given, in tables of their own."""
        return Videos([tables_of(videos)])

    @property
    def names(self) -> list[str]:
        """(V,) of the videos."""
        names: list[str] = self.gathered(lambda tables: np.array(tables.names, object), object).tolist()
        return names

    @property
    def titles(self) -> list[tuple[Split, str]]:
        """(V,) split and name of each video."""
        titles = [part.titles() for part in self.parts]
        return [titles[part][row] for part, row in zip(self.part.tolist(), self.row.tolist(), strict=True)]

    def sources(self) -> Iterator[dict[str, Any]]:
        """What each video was made from, as `Video.source`."""
        texts = [text_column(tables.videos, "source") for tables in self.parts]
        for part, row in zip(self.part.tolist(), self.row.tolist(), strict=True):
            yield _source(self.parts[part], row, texts[part][row])

    def source(self, number: int) -> dict[str, Any]:
        """What a video was made from, as `Video.source`."""
        tables, row = self.parts[self.part[number]], int(self.row[number])
        return _source(tables, row, tables.value("videos", "source", row))

    @property
    def source_texts(self) -> list[str]:
        """(V,) what each video was made from, in JSON as it is stored."""
        texts = self.gathered(lambda tables: np.array(text_column(tables.videos, "source"), object), object)
        found: list[str] = texts.tolist()
        return found

    @property
    def labelled(self) -> np.ndarray:
        """(V,) bool, whether each has labels."""
        return self.gathered(lambda tables: tables.is_given("abnormal"), bool)

    @property
    def frames(self) -> np.ndarray:
        """(V,) int64, of each video."""
        return self.gathered(lambda tables: tables.frames, np.int64)

    def select(self, chosen: np.ndarray) -> "Videos":
        """Those of the numbers in `chosen` (K,), or those where it is True (V,)."""
        return Videos(self.parts, self.part[chosen], self.row[chosen])

    def split(self, split: Split) -> "Videos":
        """Those of a split."""
        return self.select(self.gathered(lambda tables: tables.is_of(split), bool))

    def segments(self) -> tuple[np.ndarray, np.ndarray]:
        """(N,) the number of the video of each of their segments, and (N,) its row in that video's tables."""
        begins = self.gathered(lambda tables: tables.ranges[:-1], np.int64)
        counts = self.gathered(lambda tables: tables.ranges[1:], np.int64) - begins
        return np.repeat(np.arange(len(self), dtype=np.uint32), counts), runs_of(begins, counts)

    def gathered(self, values: Callable[[Tables], np.ndarray], dtype: Any) -> np.ndarray:
        """(V, …) of each video its value among those (rows, …) that a function gives for its tables."""
        parts = [values(tables) for tables in self.parts]
        found = np.zeros((len(self), *(parts[0].shape[1:] if parts else ())), dtype)
        for number, part in enumerate(parts):
            mine = self.part == number
            found[mine] = part[self.row[mine]]
        return found


_FEW = 20
"""Videos of a part that is in order for each that is brought into it: 2 to the power of 20 are a million."""


def _in_order(parts: Sequence[Tables]) -> tuple[np.ndarray, np.ndarray]:
    """The part and the row (V,) of all videos, in the order of a set."""
    part = np.repeat(np.arange(len(parts)), [len(tables) for tables in parts])
    row = np.concatenate([np.zeros(0, np.int64), *(np.arange(len(tables)) for tables in parts)])
    if len(parts) < 2:  # in order when it was written
        return part, row
    titles = [key for tables in parts for key in tables.titles()]
    starts = np.cumsum([0, *(len(tables) for tables in parts)]).tolist()

    def order_of(number: int) -> tuple[object, ...]:
        return video_order(*titles[number])

    order = [*range(len(parts[0]))]
    for start, end in itertools.pairwise(starts[1:]):
        # To find the places of a few in a part that is in order takes fewer keys than to sort all.
        if _FEW * (end - start) < len(order):
            places = [bisect.bisect_right(order, order_of(new), key=order_of) for new in range(start, end)]
            order = np.insert(np.array(order), places, range(start, end)).tolist()
        else:
            order = sorted(range(end), key=order_of)
    found = np.array(order)
    return part[found], row[found]


def _video(tables: Tables, row: int) -> Video:
    split, name = tables.title(row)
    abnormal, masks = (tables.value("videos", column, row) for column in ("abnormal", "masks"))
    if masks is not None:
        masks = Masks(**masks | {"digest": masks["digest"].hex(), "marked": _pairs(masks["marked"])})
    return Video(
        name=name,
        split=split,
        frames=int(tables.frames[row]),
        source=_source(tables, row, tables.value("videos", "source", row)),
        shards=ShardsOf(tables, row),
        abnormal=None if abnormal is None else _pairs(abnormal),
        label_source=tables.value("videos", "label_source", row),
        masks=masks,
    )


def _pairs(intervals: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in intervals)


def _source(tables: Tables, row: int, text: str) -> dict[str, Any]:
    where = f"{tables.where}: video {tables.names[row]!r:.80}"
    try:
        source = parse_json(text.encode(), where)
        if not isinstance(source, dict):
            raise ValueError(f"{where}: found {text!r:.80}, expected what the video was made from")
    except ValueError as error:
        raise CorruptShardError(f"{error}; preprocess again") from None
    return source


class ShardsOf(Rows[Shard]):
    """The shards of one video, with its own segments; looked for when they are asked for.

    Args:
        tables: of the video.
        row: its row there.
    """

    def __init__(self, tables: Tables, row: int) -> None:
        self._tables, self._video = tables, row

    @cached_property
    def _cuts(self) -> list[int]:
        """The first segment of each shard, and the end of the last."""
        begin, end = self._tables.ranges[self._video : self._video + 2].tolist()
        shards = self._tables.column("shard")[begin:end]
        cuts = begin + 1 + np.flatnonzero(shards[1:] != shards[:-1])
        return [begin, *cuts.tolist(), end] if end > begin else [begin]

    def __len__(self) -> int:
        return len(self._cuts) - 1

    def _make(self, number: int) -> Shard:
        begin, end = self._cuts[number : number + 2]
        row = int(self._tables.column("shard")[begin])
        stem = video_stem(*self._tables.title(self._video))
        return Shard(
            name=self._tables.value("shards", "name", row),
            bytes=int(self._tables.shard_bytes[row]),
            segments=Made(end - begin, lambda segment: segment_of(self._tables, stem, begin + segment)),
        )


def segment_of(tables: Tables, stem: str, row: int) -> Segment:
    """A segment of a video with that stem, see `shards.names.video_stem`."""
    names = ("offset", "size", "first", "frames", "windows", "channels")
    numbers = {name: int(tables.column(name)[row]) for name in names}
    return Segment(
        key=record_key(stem, numbers["first"]), digest=tables.column("digest")[row].tobytes().hex(), **numbers
    )


@dataclass(frozen=True, kw_only=True)
class Located:
    """A segment with its surroundings: what a reader needs, for windows of its own T.

    Attributes:
        video: index into the split's videos.
        shard: name of the tar.
        segment: as in the manifest.
        windows: windows of the reader's T that are read from this segment.
    """

    video: int
    shard: str
    segment: Segment
    windows: int


class Segments(Rows[Located]):
    """Segments of a split, as columns; each is made into a `Located` when it is asked for.

    Args:
        videos: of the split.
        video: (N,) the number of each segment's video.
        row: (N,) its row in the tables of that video.
        windows: (N,) int64, windows of the reader's T that are read from it.
    """

    def __init__(self, videos: Videos, video: np.ndarray, row: np.ndarray, windows: np.ndarray) -> None:
        self.video, self.windows = video, windows
        self._videos, self._row = videos, row

    def __len__(self) -> int:
        return len(self._row)

    def _make(self, number: int) -> Located:
        video, row = int(self.video[number]), int(self._row[number])
        tables = self._videos.parts[self._videos.part[video]]
        stem = video_stem(*tables.title(int(self._videos.row[video])))
        return Located(
            video=video,
            shard=tables.value("shards", "name", int(tables.column("shard")[row])),
            segment=segment_of(tables, stem, row),
            windows=int(self.windows[number]),
        )

    def column(self, name: str) -> np.ndarray:
        """(N,) int64, a column of the table of segments; `digest` is (N, 32) uint8."""
        found = np.zeros((len(self), 32), np.uint8) if name == "digest" else np.zeros(len(self), np.int64)
        part = self._videos.part[self.video]
        for number, tables in enumerate(self._videos.parts):
            mine = part == number
            found[mine] = tables.column(name)[self._row[mine]]
        return found

    def select(self, chosen: np.ndarray, windows: np.ndarray | None = None) -> "Segments":
        """Those of the numbers in `chosen` (K,), or those where it is True (N,).

        Args:
            chosen: which.
            windows: (N,) that are read from each, if not as before.
        """
        windows = self.windows if windows is None else windows
        return Segments(self._videos, self.video[chosen], self._row[chosen], windows[chosen])


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A whole shard set.

    Attributes:
        dataset: the layout that was recognised.
        geometry, codec: how frames are stored.
        window: T, the longest window that the segments serve.
        videos: sorted by split and natural order of name.
        digest: SHA-256 of the bytes that it was parsed from, as `sha256sum` prints it; empty if it was made
            here. Not part of the file.
    """

    dataset: str
    geometry: Geometry
    codec: Codec
    window: int
    videos: Videos
    format: str = field(default=FORMAT)
    version: int = field(default=VERSION)
    digest: str = field(default="", compare=False, repr=False)

    def split(self, split: Split) -> Videos:
        """The videos of one split, in evaluation order."""
        return self.videos.split(split)

    def segments(self, split: Split, window: int, videos: Iterable[int] | None = None) -> Segments:
        """The segments of a split in order, with their windows of T = `window`.

        Args:
            split: which.
            window: T.
            videos: numbers of those of the split's videos whose segments are wanted, ascending; None for all.

        Raises:
            ShardError: `window` is longer than the segments were cut for.
        """
        if not 1 <= window <= self.window:
            raise ShardError(
                f"the shards hold windows of up to {self.window} frames, asked for {window}; "
                f"preprocess again with --window {window}"
            )
        known = self.split(split)
        chosen = np.arange(len(known)) if videos is None else np.array([*videos], np.int64)
        video, row = known.select(chosen).segments()
        found = Segments(known, chosen[video].astype(np.uint32), row, np.zeros(len(row), np.int64))
        if window == self.window:
            found.windows = found.column("windows")
        else:
            first, frames = found.column("first"), found.column("frames")
            is_last = np.append(video[1:] != video[:-1], True)[: len(row)]
            stride = np.append(np.diff(first), 0)[: len(row)]
            found.windows = np.where(is_last, np.maximum(0, frames - window + 1), stride)
        return found

    def stored_channels(self, split: Split) -> int:
        """3, or 1 if all segments of the split are gray."""
        segments = self.segments(split, self.window)
        return int(segments.column("channels").max()) if len(segments) else self.geometry.channels

    def to_json(self) -> bytes:
        """The bytes of `manifest.json`, which name the files of the tables by their digests."""
        parts = [
            {table: dataclasses.asdict(file) for table, file in part_of(tables)._asdict().items()}
            for tables in self.videos.parts
        ]
        names = ("format", "version", "dataset", "window")
        record = {name: getattr(self, name) for name in names} | {
            "geometry": dataclasses.asdict(self.geometry),
            "codec": dataclasses.asdict(self.codec),
            "parts": parts,
        }
        return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_manifest(storage: Storage, manifest: Manifest) -> Manifest:
    """Write the tables that are not stored yet, and then `manifest.json`, in one step, over the one before.

    Returns:
        The manifest as it is stored.
    """
    for tables in manifest.videos.parts:
        if tables.part is None:
            tables.part = write_part(storage, tables)
    data = manifest.to_json()
    digest = hashlib.sha256(data).hexdigest()
    for name in (version_name(digest), MANIFEST):
        storage.write(name, data)
    return dataclasses.replace(manifest, digest=digest)


def version_name(digest: str) -> str:
    """Where the manifest of a version lies, from its SHA-256."""
    return f"{VERSIONS}/{digest}.json"


def video_from_json(value: Any) -> Video:
    """Inverse of `dataclasses.asdict(video)`; ValueError on anything else."""
    record = _fields(Video, value)
    masks = record["masks"]
    video = Video(
        **record
        | {
            "shards": tuple(_shard(shard) for shard in _list(record["shards"])),
            "abnormal": None if record["abnormal"] is None else _intervals(record["abnormal"]),
            "masks": None if masks is None else _masks(masks),
        }
    )
    natural(video, "frames")
    texts = (video.name, video.split, "" if video.label_source is None else video.label_source)
    if not all(isinstance(text, str) for text in texts) or not isinstance(video.source, dict):
        raise ValueError(f"found {reprlib.repr(value)}, expected names and a source")
    try:
        tables = tables_of([video])
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"video {video.name!r:.80}: {error}") from error
    check_tables(tables)
    if Videos([tables])[0].shards != video.shards:
        raise ValueError(f"video {video.name!r:.80} has keys of other segments")
    return video


def _shard(value: Any) -> Shard:
    record = _fields(Shard, value)
    shard = Shard(**record | {"segments": tuple(_segment(each) for each in _list(record["segments"]))})
    natural(shard, "bytes")
    if not isinstance(shard.name, str):
        raise ValueError(f"found {shard.name!r:.80}, expected the name of a shard")
    return shard


def _segment(value: Any) -> Segment:
    segment = Segment(**_fields(Segment, value))
    natural(segment, "offset", "size", "first", "frames", "windows", "channels")
    if not is_digest(segment.digest):
        raise ValueError(f"a segment has the digest {segment.digest!r:.80}")
    return segment


def _masks(value: Any) -> Masks:
    record = _fields(Masks, value)
    masks = Masks(**record | {"marked": _intervals(record["marked"])})
    check_masks_record(masks)
    return masks


def _fields(kind: Any, value: Any) -> dict[str, Any]:
    """The fields of a dataclass from foreign JSON: exactly these."""
    expected = kind.__dataclass_fields__.keys()
    if not isinstance(value, dict) or value.keys() != expected:
        raise ValueError(
            f"found {reprlib.repr(value)}, expected a {kind.__name__.lower()} with "
            f"{', '.join(sorted(expected))}"
        )
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"found {reprlib.repr(value)}, expected a list")
    return value


def _intervals(value: Any) -> tuple[tuple[int, int], ...]:
    pairs = [_list(pair) for pair in _list(value)]
    if any([type(part) for part in pair] != [int, int] for pair in pairs):
        raise ValueError(f"found {reprlib.repr(value)}, expected intervals of frames")
    return tuple((start, end) for start, end in pairs)


def _codec(value: Any) -> Codec:
    try:
        return Codec(**_fields(Codec, value))
    except ShardError as error:
        raise ValueError(str(error)) from error


def load_manifest(storage: Storage, pinned: str | None = None) -> Manifest:
    """Read and check `manifest.json`, or the manifest of an earlier version, and the tables of that.

    Args:
        storage: of the set.
        pinned: the `digest` of the version that is wanted, or None for the newest.

    Raises:
        ShardError: there is none, it is of another format version, or not the one that was pinned.
        CorruptShardError: it contradicts itself, or claims what no set holds.
    """
    where = f"{storage}/{MANIFEST}"
    data = _read(storage, MANIFEST)
    digest = hashlib.sha256(data).hexdigest()
    if pinned is not None and digest != pinned:
        try:
            data = _read(storage, version_name(pinned)) if is_digest(pinned) else b""
        except ShardError:
            data = b""
        if hashlib.sha256(data).hexdigest() != pinned:
            raise ShardError(
                f"{where}: found SHA-256 {digest}, expected {pinned} as pinned; take the set that was "
                "pinned, or pin what verify prints of this one"
            )
        where, digest = f"{storage}/{version_name(pinned)}", pinned
    try:
        record = parse_json(data, where, most=MOST_MANIFEST_BYTES)
    except ValueError as error:
        raise CorruptShardError(f"{error}; preprocess again") from error
    try:
        _check_version(record, where)
        if not isinstance(record["dataset"], str):
            raise ValueError(f"dataset {record['dataset']!r:.80}, expected a name")
        header: dict[str, Any] = {
            "dataset": record["dataset"],
            "geometry": Geometry(**_fields(Geometry, record["geometry"])),
            "codec": _codec(record["codec"]),
            "window": record["window"],
            "digest": digest,
        }
        parts = [_part(part) for part in _list(record["parts"])]
        if len(parts) > _MOST_PARTS:
            raise ValueError(f"found {len(parts)} parts, expected at most {_MOST_PARTS}")
        tables = [read_part(storage, part) for part in parts]
        for each in tables:
            check_tables(each)
        manifest = Manifest(**header, videos=Videos(tables))
        check_manifest(manifest)
        return manifest
    except KeyError as error:
        raise CorruptShardError(f"{where}: has no {error}; preprocess again") from error
    except ValueError as error:
        raise CorruptShardError(f"{where}: {error}; preprocess again") from error


def listed_parts(storage: Storage, digest: str) -> list[Part]:
    """The files of the tables of a version, none of which is opened.

    Raises:
        ShardError: there is no such version, or it is of another format.
        CorruptShardError: it is damaged.
    """
    where = f"{storage}/{version_name(digest)}"
    try:
        record = parse_json(_read(storage, version_name(digest)), where, most=MOST_MANIFEST_BYTES)
        _check_version(record, where)
        return [_part(part) for part in _list(record.get("parts"))]
    except ValueError as error:
        raise CorruptShardError(f"{where}: {error}; preprocess again") from error


def _read(storage: Storage, name: str) -> bytes:
    where = f"{storage}/{name}"
    try:
        return storage.read(name, most=MOST_MANIFEST_BYTES)
    except FileNotFoundError:
        raise NoSetError(
            f"{where}: not found; no shard set, or one that preprocess did not finish: run preprocess (again)"
        ) from None
    except OSError as error:
        raise ShardError(f"{where}: cannot be read: {error.strerror or error}") from error


def _part(value: Any) -> Part:
    record = value if isinstance(value, dict) else {}
    if record.keys() != set(Part._fields):
        raise ValueError(f"found {reprlib.repr(value)}, expected the files of {', '.join(Part._fields)}")
    return Part(**{table: _table_file(record[table]) for table in Part._fields})


def _table_file(value: Any) -> TableFile:
    file = TableFile(**_fields(TableFile, value))
    natural(file, "rows", "bytes")
    if not is_digest(file.digest):
        raise ValueError(f"a table has the digest {file.digest!r:.80}")
    return file


def _check_version(record: Any, where: str) -> None:
    found = (record.get("format"), record.get("version")) if isinstance(record, dict) else (None, None)
    if found in ((FORMAT, 1), (FORMAT, 2)):
        raise ShardError(
            f"{where}: found version {found[1]}, made by an older version, expected {VERSION}; preprocess "
            "again"
        )
    if found != (FORMAT, VERSION):
        raise ShardError(
            f"{where}: found {found[0]!r:.40} version {found[1]!r:.40}, expected {FORMAT!r} version "
            f"{VERSION}; preprocess again"
        )
