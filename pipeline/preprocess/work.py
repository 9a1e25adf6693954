"""One video in, its shards out: the unit of work, the same for every engine.

Done again it gives the same files, and what it leaves is the same wherever and beside whatever it ran: the
shards under their final names and, after them, a part file with the video's record for the manifest.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.preprocess import decord_frames
from pipeline.preprocess.config import DecoderName
from pipeline.preprocess.images import decode_image, resized
from pipeline.preprocess.layouts import SourceVideo
from pipeline.preprocess.source import Source, SourceFile
from shards.codec import Codec
from shards.manifest import Split, Video, video_from_json
from shards.storage import Storage
from shards.writer import video_stem, write_video

PART_SUFFIX = ".part.json"
Beat = Callable[[int], None]
"""Called now and then with the number of frames done, as a sign of life."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Everything a worker needs to know.

    Attributes:
        source, shards: locations.
        video: which, and its files.
        size: height and width of stored frames.
        codec, window: how they are stored.
        decoder: of video files.
    """

    source: str
    shards: str
    video: SourceVideo
    size: tuple[int, int]
    codec: Codec
    window: int
    decoder: DecoderName

    def to_json(self) -> str:
        """One line."""
        return json.dumps(dataclasses.asdict(self))


def job_from_json(text: str) -> Job:
    """Inverse of `Job.to_json`."""
    record = json.loads(text)
    files = tuple(SourceFile(**file) for file in record["video"]["files"])
    return Job(
        **{
            **record,
            "video": SourceVideo(**{**record["video"], "files": files}),
            "size": tuple(record["size"]),
            "codec": Codec(**record["codec"]),
        }
    )


@dataclass(frozen=True, kw_only=True)
class Part:
    """A finished video, until the manifest is written.

    Attributes:
        video: its record, without labels.
        stamp: of the source files as they were, see `stamp`.
    """

    video: Video
    stamp: str

    def to_json(self) -> bytes:
        """The part file."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True).encode()


def part_from_json(data: bytes) -> Part:
    """Inverse of `Part.to_json`."""
    record = json.loads(data)
    return Part(video=video_from_json(record["video"]), stamp=record["stamp"])


def part_name(split: Split, name: str) -> str:
    """The name of a video's part file."""
    return f"{video_stem(split, name)}{PART_SUFFIX}"


def stamp(video: SourceVideo) -> str:
    """Changes when the name, size or time of a source file does: if it is the same, so are the files."""
    lines = [f"{file.path}\0{file.size}\0{file.modified}\n" for file in video.files]
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def fingerprint(source: Source, video: SourceVideo, beat: Beat) -> str:
    """SHA-256 of a video's content: of its file, or of what `sha256sum` prints for its images in order."""
    beat(0)
    if not video.is_images:
        return _file_digest(source, video.files[0], beat)
    digest = hashlib.sha256()
    for file in video.files:
        digest.update(_sum_line(file, _file_digest(source, file, beat)))
    return digest.hexdigest()


def _file_digest(source: Source, file: SourceFile, beat: Beat) -> str:
    digest = hashlib.sha256()
    for chunk in source.chunks(file.path):
        digest.update(chunk)
        beat(0)
    return digest.hexdigest()


def _sum_line(file: SourceFile, digest: str) -> bytes:
    return f"{digest}  {file.name}\n".encode("utf-8", "surrogateescape")


def process_video(job: Job, beat: Beat) -> Part:
    """Decode one video once, in order, and write its shards, then its part file.

    Args:
        job: what to do.
        beat: told about every frame.

    Raises:
        SourceError: the video cannot be read.
    """
    source = Source(job.source)
    storage = Storage(job.shards)
    video = job.video
    facts: dict[str, Any] = {"bytes": video.size, "files": len(video.files)}
    decoded = _images(source, video, facts) if video.is_images else _video(source, job, facts, beat)
    frames = _counted(resized(decoded, job.size), beat)
    count, shards = write_video(storage, video.split, video.name, frames, window=job.window, codec=job.codec)
    part = Part(
        video=Video(name=video.name, split=video.split, frames=count, source=facts, shards=shards),
        stamp=stamp(video),
    )
    storage.write(part_name(video.split, video.name), part.to_json())
    return part


def _counted(frames: Iterator[np.ndarray], beat: Beat) -> Iterator[np.ndarray]:
    for number, frame in enumerate(frames, start=1):
        beat(number)
        yield frame


def _images(source: Source, video: SourceVideo, facts: dict[str, Any]) -> Iterator[np.ndarray]:
    digest = hashlib.sha256()
    for file in video.files:
        data = source.read(file.path)
        digest.update(_sum_line(file, hashlib.sha256(data).hexdigest()))
        yield decode_image(data, f"{source}/{file.path}")
    facts["sha256"] = digest.hexdigest()


def _video(source: Source, job: Job, facts: dict[str, Any], beat: Beat) -> Iterator[np.ndarray]:
    file = job.video.files[0]
    facts["sha256"] = fingerprint(source, job.video, beat)
    with source.local(file.path) as path:
        facts["decoder"] = "decord"
        yield from decord_frames.frames(path, f"{source}/{file.path}")
