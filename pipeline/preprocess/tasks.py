"""Tasks from videos, and what becomes of those that fail."""

from collections.abc import Callable, Generator
from typing import NamedTuple

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.jobs import Job, JobKind
from pipeline.preprocess.pool import Outcome, Task
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.videos import SourceVideo
from shards.codecs import Codec
from shards.text import natural_key


def task_of(
    config: PreprocessConfig,
    source: Source,
    video: SourceVideo,
    kind: JobKind,
    *,
    waits: bool = False,
) -> Task:
    """What a worker is to do with a video; see `Job`."""
    job = Job(
        kind=kind,
        source=source.location,
        shards=config.shards,
        video=video,
        size=config.size,
        codec=codec_of(config),
        window=config.window,
        decoder=config.decoder,
        depth_range=config.depth_range,
        keep_damage=config.on_damage == "keep",
        waits=waits,
        leaves_part=leaves_parts(config, waits=waits),
    )
    return Task(name=video.title, job=job.to_json(), size=video.size)


def leaves_parts(config: PreprocessConfig, *, waits: bool) -> bool:
    """Whether workers leave part files; the record of one more video goes into the manifest without one."""
    return waits or config.scheduler is not None


def codec_of(config: PreprocessConfig) -> Codec:
    """How pixels are to be stored."""
    return Codec(name=config.codec, quality=config.quality if config.codec == "jpeg" else None)


class Ended(NamedTuple):
    """What became of tasks.

    Attributes:
        failed: the errors of videos that cannot be read, by title.
        parts: of the others what `Outcome.part` is, by title.
    """

    failed: dict[str, str]
    parts: dict[str, str | None]


def ended(outcomes: Generator[Outcome, None, None], on_end: Callable[[Task], None]) -> Ended:
    """Go through all outcomes; an error that is not of a video is raised at once."""
    found = Ended({}, {})
    for task, error, part in outcomes:
        if isinstance(error, SourceError):
            found.failed[task.name] = str(error)
        elif error is not None:
            raise error
        else:
            found.parts[task.name] = part
        on_end(task)
    return found


def refuse_failed(failed: dict[str, str], videos: int) -> None:
    """One error for all of so many videos that cannot be read.

    Raises:
        SourceError: there are some.
    """
    if len(failed) == 1:
        raise SourceError(next(iter(failed.values())))
    if failed:
        reasons = " | ".join(failed[title] for title in sorted(failed, key=natural_key))
        raise SourceError(f"{len(failed)} of {videos} videos cannot be read: {reasons}")
