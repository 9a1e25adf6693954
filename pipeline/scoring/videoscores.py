"""The scores of one video's frames, with their labels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mnad import FrameScores


@dataclass(frozen=True, kw_only=True)
class VideoScores:
    """Scores of one video's frames, in order.

    Attributes:
        name: of the video.
        frames: (F,) int, frame numbers.
        scores: of those frames.
        anomaly: (F,) float64 in [0, 1].
        labels: (F,) bool, True where abnormal; None without labels.
        seconds: (F,) float64, since the video's first frame; None where its frame rate is not known.
        local_error: (F,) float64, dB, of the worst box of H/8 (`mnad.local_error`); None in tables of before.
    """

    name: str
    frames: np.ndarray
    scores: FrameScores
    anomaly: np.ndarray
    labels: np.ndarray | None
    seconds: np.ndarray | None = None
    local_error: np.ndarray | None = None


def intervals(video: VideoScores) -> list[tuple[int, int]]:
    """Frame numbers [start, end) of the runs of scored frames that are labelled abnormal."""
    if video.labels is None:
        return []
    edges = np.flatnonzero(np.diff(video.labels.astype(np.int8), prepend=0, append=0))
    first = int(video.frames[0])
    return [(first + int(start), first + int(end)) for start, end in edges.reshape(-1, 2)]


def both_classes(labels: np.ndarray) -> bool:
    """Whether there are normal and abnormal frames."""
    return bool(labels.any() and not labels.all())


def interesting(videos: Sequence[VideoScores], most: int) -> list[VideoScores]:
    """Up to `most` videos in order, those with both normal and abnormal frames before others."""
    ranked = sorted(
        range(len(videos)),
        key=lambda i: (labels := videos[i].labels) is None or not both_classes(labels),
    )
    return [videos[i] for i in sorted(ranked[:most])]


def grouped(videos: Iterable[VideoScores], rows: int) -> Iterator[list[VideoScores]]:
    """Videos together that have so many rows or more, for work on whole columns."""
    group: list[VideoScores] = []
    count = 0
    for video in videos:
        group.append(video)
        count += len(video.frames)
        if count >= rows:
            yield group
            group, count = [], 0
    if group:
        yield group
