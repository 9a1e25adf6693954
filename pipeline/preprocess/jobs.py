"""What a worker is told and what it leaves behind: jobs, part files, and what identifies a source file."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.preprocess.config import DecoderName, DepthRange
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.tree import SourceFile
from pipeline.preprocess.sources.videos import SourceMasks, SourceVideo
from pipeline.processes.heartbeat import Heartbeat
from shards import locations
from shards.choices import Split
from shards.codecs import Codec
from shards.digests import digest_of, sum_line
from shards.entries import Video
from shards.names import video_stem

PARTS = "parts"
"""The folder of part files and of shards that are to be packed, apart from those of the set, so that one
listing of a few names finds them."""
MOST_LISTED = 1000
"""Gaps, strays and sizes of one video that its facts list: a set is read only where each row is small."""
PART_SUFFIX = ".part.json"
MOST_FRAMES = 1 << 24
"""The most frames of a video: 7.8 days at 25 per second."""
MOST_PART_BYTES = 192 << 20
"""The largest part file in bytes. A video of MOST_FRAMES has 524,288 segments, each of which takes up to 280
bytes."""
JobKind = Literal["decode", "open", "look"]
"""Write the shards of a video, only open its file (milliseconds), or look at its first frame, too."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a worker needs to know.

    Attributes:
        kind: what is to be done.
        source, shards: locations.
        video: which, and its files.
        size: height and width of stored frames.
        codec, window: how they are stored.
        decoder: of video files.
        depth_range: of images of more than 8 bits, see `PreprocessConfig`.
        keep_damage: whether damaged frames are counted rather than refused.
        waits: whether a small video's shard goes to PARTS, to be packed with those of others.
        leaves_part: whether its record is written as a part file, for a run that ends before its manifest.
    """

    kind: JobKind
    source: str
    shards: str
    video: SourceVideo
    size: tuple[int, int]
    codec: Codec
    window: int
    decoder: DecoderName
    keep_damage: bool
    waits: bool
    depth_range: DepthRange | None = None
    leaves_part: bool = True

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self))


def job_from_json(text: str) -> Job:
    """Inverse of `Job.to_json`."""
    record = json.loads(text)
    video = SourceVideo(*record["video"])
    masks: Any = video.masks
    if masks is not None:
        masks = SourceMasks(**masks | {"files": _files(masks["files"])})
    video = video._replace(files=_files(video.files), strays=tuple(video.strays), masks=masks)
    if isinstance(record["depth_range"], list):
        record["depth_range"] = tuple(record["depth_range"])
    return Job(
        **{
            **record,
            "video": video,
            "size": tuple(record["size"]),
            "codec": Codec(**record["codec"]),
        }
    )


def _files(records: Iterable[Iterable[Any]]) -> tuple[SourceFile, ...]:
    return tuple(SourceFile(*record) for record in records)


@dataclass(frozen=True, kw_only=True)
class Part:
    """A finished video, until the manifest is written.

    Attributes:
        video: its record, without labels.
        stamp: of the source files as they were, see `stamp`.
        waits: whether its shard lies in PARTS, to be packed with those of others.
    """

    video: Video
    stamp: str
    waits: bool = False

    def place(self, name: str) -> str:
        """Where one of its shards lies."""
        return f"{PARTS}/{name}" if self.waits else name

    def to_json(self) -> bytes:
        """The part file."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True).encode()


def part_name(split: Split, name: str) -> str:
    """The name of a video's part file."""
    return f"{PARTS}/{video_stem(split, name)}{PART_SUFFIX}"


def stamp(location: str, video: SourceVideo) -> str:
    """Changes when the place, name, size or time of a source file does: if it is the same, so are the files.

    The place counts because other files may have all of the rest: archives give each file one time, and masks
    drawn anew the size of those before. Files that moved are only read again, for their digest.

    Args:
        location: of the source.
        video: of it.
    """
    text = _listed(location, video.files)
    if video.masks is not None:
        text += _listed(video.masks.location, video.masks.files)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _listed(location: str, files: Iterable[SourceFile]) -> str:
    lines = [f"{file.path}\0{file.size}\0{file.modified}\n" for file in files]
    return "".join([_place(location), "\n", *lines])


@functools.lru_cache(maxsize=16)  # there are two for 100,000 videos
def _place(location: str) -> str:
    """A location without credentials and query, which may change while the files stay where they are."""
    return locations.shown(locations.absolute(location))


def fingerprint(source: Source, video: SourceVideo, heartbeat: Heartbeat) -> dict[str, Any]:
    """What identifies a video's content: bytes and digest, and the latter of its masks."""
    found: dict[str, Any] = {"bytes": video.size}
    if video.is_images:
        found["digest"] = files_digest(source, video.files, heartbeat)
    else:
        found["digest"] = _file_digest(source, video.files[0], heartbeat)
    if video.masks is not None:
        found["masks_digest"] = files_digest(Source(video.masks.location), video.masks.files, heartbeat)
    return found


def files_digest(source: Source, files: tuple[SourceFile, ...], heartbeat: Heartbeat) -> str:
    """BLAKE3 of what `b3sum` prints for the files in order."""
    return digest_of(sum_line(file.name, _file_digest(source, file, heartbeat)) for file in files)


def _file_digest(source: Source, file: SourceFile, heartbeat: Heartbeat) -> str:
    def chunks() -> Iterator[bytes]:
        for chunk in source.chunks(file.path):
            yield chunk
            heartbeat(0, 0)

    return digest_of(chunks())
