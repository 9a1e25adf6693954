"""The frames at which an evaluation is most wrong."""

import numpy as np

from pipeline.report.timelines import Frame
from pipeline.scoring.videoscores import VideoScores

_WORST = 10
_APART = 10
"""Frames between two of the worst frames of a video; neighbours show the same."""


class WorstFrames:
    """The worst misses and false alarms of all videos; of neighbouring frames only the worst."""

    def __init__(self) -> None:
        self.misses: list[Frame] = []
        self.alarms: list[Frame] = []

    def add(self, video: VideoScores) -> None:
        """Take the next video."""
        if video.labels is not None:
            misses = self.misses + _peaks(video, -video.anomaly, video.labels)
            alarms = self.alarms + _peaks(video, video.anomaly, ~video.labels)
            self.misses = sorted(misses, key=lambda row: row[2])[:_WORST]
            self.alarms = sorted(alarms, key=lambda row: -row[2])[:_WORST]


def _peaks(video: VideoScores, badness: np.ndarray, among: np.ndarray) -> list[Frame]:
    left = np.where(among, badness, -np.inf)
    chosen: list[int] = []
    while len(chosen) < _WORST and left.max() > -np.inf:
        row = int(left.argmax())
        chosen.append(row)
        left[max(0, row - _APART + 1) : row + _APART] = -np.inf
    return [(video.name, int(video.frames[row]), round(float(video.anomaly[row]), 4)) for row in chosen]
