"""The frames at which an evaluation is most wrong."""

from collections.abc import Sequence

import numpy as np

from pipeline.report.timelines import Frame
from pipeline.scoring.videoscores import VideoScores

_WORST = 10
_APART = 10
"""Frames between two of the worst frames of a video; neighbours show the same."""


def worst_frames(videos: Sequence[VideoScores]) -> tuple[list[Frame], list[Frame]]:
    """The worst misses and false alarms; of neighbouring frames only the worst."""
    misses, alarms = [], []
    for video in videos:
        if video.labels is not None:
            misses += _peaks(video, -video.anomaly, video.labels)
            alarms += _peaks(video, video.anomaly, ~video.labels)
    misses.sort(key=lambda row: row[2])
    alarms.sort(key=lambda row: -row[2])
    return misses[:_WORST], alarms[:_WORST]


def _peaks(video: VideoScores, badness: np.ndarray, among: np.ndarray) -> list[Frame]:
    left = np.where(among, badness, -np.inf)
    chosen: list[int] = []
    while len(chosen) < _WORST and left.max() > -np.inf:
        row = int(left.argmax())
        chosen.append(row)
        left[max(0, row - _APART + 1) : row + _APART] = -np.inf
    return [(video.name, int(video.frames[row]), round(float(video.anomaly[row]), 4)) for row in chosen]
