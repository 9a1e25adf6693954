"""What an evaluation need not score: the scores of an earlier one are those of the same work."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.evaluate.job import Job
from pipeline.scoring.earlier import read_earlier
from pipeline.scoring.exhibits import Exhibits, chosen
from pipeline.scoring.exhibitwriter import stride_for
from pipeline.scoring.maps import has_maps
from pipeline.scoring.videoscores import VideoScores
from shards.names import video_stem


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is there of some of a process's videos.

    Attributes:
        videos: scores, with the labels of now, by the number of the video in the split.
        exhibits: of those videos, in the stride of now; None where none are gathered.
        memory: (M, D) float32, the memory after the last of them, where it is carried on.
    """

    videos: dict[int, VideoScores]
    exhibits: Exhibits | None = None
    memory: np.ndarray | None = None


def stride_of(job: Job) -> int:
    """Of how many frames one is pictured."""
    frames = job.videos.frames - job.checkpoint.spec.window + 1
    return stride_for(int(np.maximum(0, frames).sum()))


def known_of(job: Job, mine: Sequence[int]) -> Known:
    """What is known of the videos of a process whose numbers are `mine`, before it scores any."""
    names, frames, first = job.videos.names, job.videos.frames, job.checkpoint.spec.window - 1
    scored = [number for number in mine if frames[number] > first]
    works = {names[number]: job.works[number] for number in scored}
    earlier = read_earlier(job.out, works, with_exhibits=job.config.report)
    stride = stride_of(job)
    shown = earlier.exhibits
    pictured = None if shown is None else shown.frame % stride == 0
    pictures: dict[str, list[int]] = {}
    if shown is not None and pictured is not None:
        for name, frame in zip(shown.video[pictured].tolist(), shown.frame[pictured].tolist(), strict=True):
            pictures.setdefault(name, []).append(frame)
    videos: dict[int, VideoScores] = {}
    for number in scored:
        found = earlier.videos.get(names[number])
        numbers = np.arange(first, frames[number])
        if found is None or found.local_error is None or not np.array_equal(found.frames, numbers):
            continue
        wanted = numbers[numbers % stride == 0].tolist()
        if job.config.report and pictures.get(found.name, []) != wanted:
            continue
        stem = video_stem(job.split, found.name)
        if job.config.maps and not has_maps(job.out, stem, numbers, job.works[number]):
            continue
        labels = job.videos[number].labels
        videos[number] = dataclasses.replace(found, labels=None if labels is None else labels[numbers])
    memory = None
    if job.config.memory == "carry":
        # Of a video after one that is scored now, the work would be another: those found are the first ones.
        videos = {number: videos[number] for number in _leading(scored, videos)}
        memory = earlier.memories.get(job.works[max(videos)]) if videos else None
        videos = {} if memory is None else videos
    if shown is None or pictured is None:
        return Known(videos=videos, memory=memory)
    rows = pictured & np.isin(shown.video, [names[number] for number in videos])
    return Known(videos=videos, exhibits=chosen(shown, np.flatnonzero(rows)), memory=memory)


def _leading(scored: Sequence[int], found: dict[int, VideoScores]) -> list[int]:
    """The numbers before the first that was not found."""
    missing = next((place for place, number in enumerate(scored) if number not in found), len(scored))
    return [*scored[:missing]]
