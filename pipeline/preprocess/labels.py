"""Frame labels: what a dataset's label files say, brought onto the frames that were decoded.

Labels are read before anything is decoded and applied after it, when the numbers of frames are known.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.errors import SourceError

Intervals = tuple[tuple[int, int], ...]
"""Abnormal frames of a video as [start, end), 0-based, ascending."""


def intervals_of(labels: np.ndarray) -> Intervals:
    """The runs of True in labels (frames,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels.astype(np.int8), [0]])))
    return tuple((int(start), int(end)) for start, end in edges.reshape(-1, 2))


@dataclass(frozen=True, kw_only=True)
class FrameCount:
    """A test video as it was decoded."""

    name: str
    frames: int


@dataclass(frozen=True, kw_only=True)
class ArrayLabels:
    """One label per frame, all test videos end to end in natural order of their names.

    Attributes:
        file: where they came from.
        values: (frames of all test videos,) bool, True where abnormal.
    """

    file: str
    values: np.ndarray

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        return f"{self.file}, 1 = abnormal, test videos end to end"

    def apply(self, videos: list[FrameCount]) -> dict[str, Intervals]:
        """The abnormal intervals of each test video.

        Raises:
            SourceError: the labels are for another number of frames.
        """
        total = sum(video.frames for video in videos)
        if total != len(self.values):
            each = ", ".join(f"{video.name}: {video.frames}" for video in videos)
            raise SourceError(
                f"{self.file}: holds {len(self.values)} labels, but the test videos have {total} frames "
                f"({each}); give the matching file with --labels"
            )
        ends = np.cumsum([video.frames for video in videos])
        return {
            video.name: intervals_of(self.values[end - video.frames : end])
            for video, end in zip(videos, ends, strict=True)
        }


Labels = ArrayLabels
