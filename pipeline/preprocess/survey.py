"""A first look at all videos, by the workers, before hours of work end on a bad file or a full disk."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.pool import run_pool
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.videos import SourceVideo
from pipeline.preprocess.space import may_fill_the_disk
from pipeline.preprocess.tasks import ended, task_of
from pipeline.preprocess.worker import Worker

MOST_LOOKS = 200
"""Videos whose first frame is decoded, some 20 ms each; the others are taken to be like them."""


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
    """Open each video file of a local source, and look into some videos if the disk may be too small."""
    by_size = sorted(videos, key=lambda video: video.size)
    looked = evenly(by_size, MOST_LOOKS) if may_fill_the_disk(config, videos) else []
    titles = {video.title for video in looked}
    opened = [video for video in by_size if not video.is_images and video.title not in titles]
    tasks = [task_of(config, source, video, "look") for video in looked]
    tasks += [task_of(config, source, video, "open") for video in opened]
    planes: dict[str, int] = {}
    outcomes = run_pool(tasks, members, lambda task, found, _: planes.update({task.name: found}))
    with contextlib.closing(outcomes):
        failed = ended(outcomes, lambda task: None).failed
    return Survey(
        failed=failed,
        looked=tuple(looked),
        planes={title: planes[title] for title in titles if planes.get(title)},
    )


def evenly(items: Sequence[SourceVideo], most: int) -> list[SourceVideo]:
    """At most `most` items, evenly spread, the last among them."""
    count = min(most, len(items))
    return [items[(index + 1) * len(items) // count - 1] for index in range(count)]
