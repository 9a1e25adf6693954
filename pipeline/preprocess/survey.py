"""A first look at all videos, by the workers, before hours of work end on a bad file or a full disk."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.pool import Task, run_pool
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.videos import SourceVideo
from pipeline.preprocess.space import may_fill_the_disk
from pipeline.preprocess.tasks import ended, task_of
from pipeline.preprocess.worker import Worker

MOST_LOOKS = 200
"""Videos whose first frame is decoded, 2 to 20 ms each; the others are taken to be like them."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found.

    Attributes:
        failed: the error of each video file that is none, by title.
        looked: videos whose first frame was to be decoded.
        planes: frames times channels of those of which that can be said, by title.
    """

    failed: dict[str, str]
    looked: tuple[SourceVideo, ...]
    planes: dict[str, int]


def survey(
    config: PreprocessConfig, source: Source, videos: Sequence[SourceVideo], members: list[Worker]
) -> Survey:
    """Open each video file of a local source; and look into some videos, if by their headers the disk may be
    too small."""
    by_size = sorted(videos, key=lambda video: video.size)
    files = [task_of(config, source, video, "open") for video in by_size if not video.is_images]
    frames, failed = _asked(files, members)
    readable = [video for video in by_size if video.title not in failed]
    looked = evenly(readable, MOST_LOOKS) if may_fill_the_disk(config, readable, frames) else []
    planes, _ = _asked([task_of(config, source, video, "look") for video in looked], members)
    return Survey(failed=failed, looked=tuple(looked), planes={title: n for title, n in planes.items() if n})


def _asked(tasks: list[Task], members: list[Worker]) -> tuple[dict[str, int], dict[str, str]]:
    """What was found of each video, and the errors, by title."""
    found: dict[str, int] = {}
    if not tasks:
        return found, {}
    outcomes = run_pool(tasks, members, lambda task, number, _: found.update({task.name: number}))
    with contextlib.closing(outcomes):
        failed = ended(outcomes, lambda task: None).failed
    return found, failed


def evenly(items: Sequence[SourceVideo], most: int) -> list[SourceVideo]:
    """At most `most` items, evenly spread, the last among them."""
    count = min(most, len(items))
    return [items[(index + 1) * len(items) // count - 1] for index in range(count)]
