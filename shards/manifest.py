"""`manifest.json`: everything about a shard set. Written last; a set without it is incomplete.

The same input and options give the same bytes: no times, no paths of the machine that made it.
"""

import dataclasses
import hashlib
import json
import reprlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shards.checks import check_manifest, check_video
from shards.choices import Split
from shards.codec import Codec
from shards.errors import CorruptShardError, ShardError
from shards.jsonfile import MOST_BYTES, parse_json
from shards.limits import MOST_MANIFEST_BYTES
from shards.masks import Masks
from shards.segments import window_starts
from shards.storage import Storage

FORMAT = "mnad-shards"
VERSION = 2
MANIFEST = "manifest.json"


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
    """One tar: segments of one video, in order, one right after the other, and the end of a tar.

    Attributes:
        name: of the file.
        bytes: of the file.
        digest: of its segments' rows, see `shards.checks.shard_digest`.
        segments: in the order of their bytes.
    """

    name: str
    bytes: int
    digest: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video of the set.

    Attributes:
        name: unique within its split; for people and score tables.
        frames: counted by decoding.
        source: what it was made from: at least `bytes` and `digest` of the file or of the listed images;
            for video files also what the audit of the container found.
        shards: the tars that hold it, in order.
        abnormal: labelled intervals [start, end) of abnormal frames, or None without labels.
        label_source: what the labels came from, or None.
        masks: the file with its pixel masks, or None.
    """

    name: str
    split: Split
    frames: int
    source: dict[str, Any]
    shards: tuple[Shard, ...]
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
    videos: tuple[Video, ...]
    format: str = field(default=FORMAT)
    version: int = field(default=VERSION)
    digest: str = field(default="", compare=False, repr=False)

    def split(self, split: Split) -> tuple[Video, ...]:
        """The videos of one split, in evaluation order."""
        return tuple(video for video in self.videos if video.split == split)

    def segments(self, split: Split, window: int) -> list[Located]:
        """All segments of a split in order, with their windows of T = `window`.

        Raises:
            ShardError: `window` is longer than the segments were cut for.
        """
        if not 1 <= window <= self.window:
            raise ShardError(
                f"the shards hold windows of up to {self.window} frames, asked for {window}; "
                f"preprocess again with --window {window}"
            )
        located = []
        for index, video in enumerate(self.split(split)):
            rows = [(shard.name, segment) for shard in video.shards for segment in shard.segments]
            for position, (shard_name, segment) in enumerate(rows):
                is_last = position == len(rows) - 1
                stride = segment.frames if is_last else rows[position + 1][1].first - segment.first
                windows = window_starts(stride, segment.frames, is_last, window)
                located.append(Located(video=index, shard=shard_name, segment=segment, windows=windows))
        return located

    def stored_channels(self, split: Split) -> int:
        """3, or 1 if all segments of the split are gray."""
        rows = (s for video in self.split(split) for shard in video.shards for s in shard.segments)
        return max((segment.channels for segment in rows), default=self.geometry.channels)

    def to_json(self) -> bytes:
        """Canonical bytes."""
        record = dataclasses.asdict(self)
        del record["digest"]
        return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


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
    check_video(video)
    return video


def _shard(value: Any) -> Shard:
    record = _fields(Shard, value)
    segments = tuple(Segment(**_fields(Segment, segment)) for segment in _list(record["segments"]))
    return Shard(**record | {"segments": segments})


def _masks(value: Any) -> Masks:
    record = _fields(Masks, value)
    return Masks(**record | {"marked": _intervals(record["marked"])})


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
    """Read and check `manifest.json`.

    Args:
        storage: of the set.
        pinned: the `digest` that it must have, or None for any.

    Raises:
        ShardError: there is none, it is of another format version, or not the one that was pinned.
        CorruptShardError: it contradicts itself, or claims what no set holds.
    """
    where = f"{storage}/{MANIFEST}"
    try:
        data = storage.read(MANIFEST, most=MOST_MANIFEST_BYTES)
    except FileNotFoundError:
        raise ShardError(
            f"{where}: not found; no shard set, or one that preprocess did not finish: run preprocess (again)"
        ) from None
    except OSError as error:
        raise ShardError(f"{where}: cannot be read: {error.strerror or error}") from error
    digest = hashlib.sha256(data).hexdigest()
    if pinned not in (None, digest):
        raise ShardError(
            f"{where}: found SHA-256 {digest}, expected {pinned} as pinned; take the set that was pinned, or "
            "pin what verify prints of this one"
        )
    try:
        _check_text(data, where)
        record = parse_json(data, where, most=MOST_MANIFEST_BYTES)
    except ValueError as error:
        raise CorruptShardError(f"{error}; preprocess again") from error
    try:
        _check_version(record, where)
        if not isinstance(record["dataset"], str):
            raise ValueError(f"dataset {record['dataset']!r:.80}, expected a name")
        manifest = Manifest(
            dataset=record["dataset"],
            geometry=Geometry(**_fields(Geometry, record["geometry"])),
            codec=_codec(record["codec"]),
            window=record["window"],
            videos=tuple(video_from_json(video) for video in _list(record["videos"])),
            digest=digest,
        )
        check_manifest(manifest)
        return manifest
    except KeyError as error:
        raise CorruptShardError(f"{where}: has no {error}; preprocess again") from error
    except ValueError as error:
        raise CorruptShardError(f"{where}: {error}; preprocess again") from error


def _check_text(data: bytes, where: str) -> None:
    """Refuse, before it is parsed, what would take far more memory than a manifest of its size."""
    if b"\0" in data:  # as a file with holes is full of, and JSON never
        raise ValueError(f"{where}: not JSON: holds a zero byte")
    # Parsed, a value takes 60 bytes and more. A segment has 10 in 300 bytes.
    if len(data) > MOST_BYTES and sum(map(data.count, (b",", b"[", b"{"))) > len(data) // 8:
        raise ValueError(f"{where}: {len(data)} bytes hold more values than those of a manifest")


def _check_version(record: Any, where: str) -> None:
    found = (record.get("format"), record.get("version")) if isinstance(record, dict) else (None, None)
    if found == (FORMAT, 1):
        raise ShardError(
            f"{where}: found version 1, made by an older version, expected {VERSION}; preprocess again"
        )
    if found != (FORMAT, VERSION):
        raise ShardError(
            f"{where}: found {found[0]!r:.40} version {found[1]!r:.40}, expected {FORMAT!r} version "
            f"{VERSION}; preprocess again"
        )
