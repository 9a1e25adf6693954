"""`manifest.json`: everything about a shard set. Written last; a set without it is incomplete.

The same input and options give the same bytes: no times, no paths of the machine that made it.
"""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, cast

import numpy as np

from shards.choices import SPLITS, Split
from shards.codec import Codec
from shards.errors import CorruptShardError, ShardError
from shards.masks import Masks
from shards.segments import window_starts
from shards.storage import Storage

FORMAT = "mnad-shards"
VERSION = 1
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


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A run of consecutive frames, stored once as one record of a shard.

    Attributes:
        key: the record's webdataset key.
        offset, size: bytes of the record in the shard, headers included.
        crc32: of those bytes.
        first, frames: the frames of the video it holds.
        windows: windows of the set's T that start in it.
        channels: 1 if the three channels of all its frames are equal and stored once, else 3.
    """

    key: str
    offset: int
    size: int
    crc32: int
    first: int
    frames: int
    windows: int
    channels: int


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One tar: segments of one video, in order."""

    name: str
    bytes: int
    sha256: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video of the set.

    Attributes:
        name: unique within its split; for people and score tables.
        frames: counted by decoding.
        source: what it was made from: at least `bytes` and `sha256` of the file or of the listed images;
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


def video_from_json(record: dict[str, Any]) -> Video:
    """Inverse of `dataclasses.asdict(video)`; KeyError, TypeError or ValueError on anything else."""
    shards = tuple(
        Shard(**{**shard, "segments": tuple(Segment(**segment) for segment in shard["segments"])})
        for shard in record["shards"]
    )
    abnormal = None if record["abnormal"] is None else _intervals(record["abnormal"])
    masks = record["masks"]
    if masks is not None:
        masks = Masks(**{**masks, "marked": _intervals(masks["marked"])})
    video = Video(**{**record, "shards": shards, "abnormal": abnormal, "masks": masks})
    _check_video(video)
    return video


def _intervals(pairs: list[list[int]]) -> tuple[tuple[int, int], ...]:
    return tuple((int(start), int(end)) for start, end in pairs)


def _check_video(video: Video) -> None:
    if video.split not in SPLITS:
        raise ValueError(f"video {video.name}: split {video.split!r}, expected one of {SPLITS}")
    _check_natural(video, "frames")
    if any(not 0 <= start < end <= video.frames for start, end in video.abnormal or ()):
        raise ValueError(f"video {video.name}: labels outside its {video.frames} frames")
    reached = 0
    for shard in video.shards:
        _check_natural(shard, "bytes")
        if shard.name != PurePosixPath(shard.name).name:
            raise ValueError(f"shard {shard.name!r} lies outside the set")
        end = 0
        for segment in shard.segments:
            _check_natural(segment, "offset", "size", "crc32", "first", "frames", "windows", "channels")
            if segment.offset < end or segment.size <= 0 or segment.offset + segment.size > shard.bytes:
                raise ValueError(f"segment {segment.key} lies outside shard {shard.name}")
            end = segment.offset + segment.size
            if segment.frames < 1 or segment.first > reached or segment.channels not in (1, 3):
                raise ValueError(f"segment {segment.key} of video {video.name} leaves a gap before it")
            reached = segment.first + segment.frames
    if reached != video.frames:
        raise ValueError(f"video {video.name} has {video.frames} frames, its segments hold {reached}")
    if any(not 0 <= start < end <= video.frames for start, end in video.abnormal or ()):
        raise ValueError(f"video {video.name} has labels beyond its {video.frames} frames")


def _check_natural(record: Any, *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if type(value) is not int or value < 0:
            raise ValueError(
                f"{type(record).__name__.lower()} with {name} {value!r}, expected a whole number"
            )


def _check_whole(manifest: Manifest) -> None:
    """What no part of a manifest can tell alone."""
    geometry = manifest.geometry
    _check_natural(geometry, "height", "width", "channels")
    _check_natural(manifest, "window")
    if min(geometry.height, geometry.width, manifest.window) < 1 or geometry.channels != 3:
        raise ValueError(f"frames of {geometry.height}x{geometry.width}x{geometry.channels} cannot be")
    if not geometry.scale > 0 or not math.isfinite(geometry.scale + geometry.offset):
        raise ValueError(f"pixels cannot be normalised by / {geometry.scale} + {geometry.offset}")
    for video in manifest.videos:
        segments = [segment for shard in video.shards for segment in shard.segments]
        for one, other in pairwise(segments):
            if not one.first < other.first <= one.first + one.frames - (manifest.window - 1):
                raise ValueError(
                    f"no window of {manifest.window} frames fits between {one.key} and {other.key}"
                )


def _codec(record: dict[str, Any]) -> Codec:
    try:
        return Codec(**record)
    except ShardError as error:
        raise ValueError(str(error)) from error


def load_manifest(storage: Storage, pinned: str | None = None) -> Manifest:
    """Read and check `manifest.json`.

    Args:
        storage: of the set.
        pinned: the `digest` that it must have, or None for any.

    Raises:
        ShardError: there is none, it is of another format version, or not the one that was pinned.
        CorruptShardError: it contradicts itself.
    """
    where = f"{storage}/{MANIFEST}"
    try:
        data = storage.read(MANIFEST)
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
        record = json.loads(data)
        if record.get("format") != FORMAT or record.get("version") != VERSION:
            found = f"{record.get('format')} version {record.get('version')}"
            raise ShardError(f"{where}: found {found}, expected {FORMAT} version {VERSION}; preprocess again")
        manifest = Manifest(
            dataset=record["dataset"],
            geometry=Geometry(**record["geometry"]),
            codec=_codec(record["codec"]),
            window=record["window"],
            videos=tuple(video_from_json(cast(dict[str, Any], video)) for video in record["videos"]),
            digest=digest,
        )
        _check_whole(manifest)
        return manifest
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptShardError(f"{where}: {error}; preprocess again") from error
