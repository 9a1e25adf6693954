"""Frame labels: what label files say, brought onto the frames that were decoded.

Labels are read before anything is decoded and applied after it, when the numbers of frames are known.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.errors import SourceError
from shards.manifest import Video
from shards.masks import runs

Intervals = tuple[tuple[int, int], ...]
"""Abnormal frames of a video as [start, end), 0-based, ascending."""


class Labels(Protocol):
    """Labels of the testing videos.

    Attributes:
        source: file and convention, for the manifest.
    """

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        ...

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """The abnormal intervals of testing videos by name; those without labels are left out.

        Args:
            videos: all testing videos, in order.

        Raises:
            SourceError: the labels do not fit the frames.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class ArrayLabels:
    """One label per frame, all testing videos end to end in natural order of their names.

    Attributes:
        file: where they came from.
        values: (frames of all testing videos,) bool, True where abnormal.
    """

    file: str
    values: np.ndarray

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        return f"{self.file} (1 = abnormal, testing videos end to end)"

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """Cut the array at the videos' ends."""
        total = sum(video.frames for video in videos)
        if total != len(self.values):
            each = ", ".join(f"{video.name}: {video.frames}" for video in videos)
            raise SourceError(
                f"{self.file}: holds {len(self.values)} labels, but the testing videos have {total} frames "
                f"({each}); give the matching file with --labels"
            )
        ends = np.cumsum([video.frames for video in videos])
        return {
            video.name: runs(self.values[end - video.frames : end])
            for video, end in zip(videos, ends, strict=True)
        }


@dataclass(frozen=True, kw_only=True)
class FrameLabels:
    """One array of labels for each video.

    Attributes:
        file: where they came from.
        values: name to (frames,) bool, True where abnormal.
    """

    file: str
    values: dict[str, np.ndarray]

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        return f"{self.file} (1 = abnormal, one array per video)"

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """Check each array against its video."""
        for video in videos:
            if len(self.values[video.name]) != video.frames:
                raise SourceError(
                    f"{self.file}: holds {len(self.values[video.name])} labels for video {video.name}, which "
                    f"has {video.frames} frames; give the matching file with --labels"
                )
        return {video.name: runs(self.values[video.name]) for video in videos}


@dataclass(frozen=True, kw_only=True)
class IntervalLabels:
    """Abnormal intervals for each video.

    Attributes:
        file: where they came from.
        convention: of the intervals as the file writes them.
        intervals: name to [start, end), 0-based; in any order, and they may overlap. A video without is
            wholly normal.
    """

    file: str
    convention: str
    intervals: dict[str, list[tuple[int, int]]]

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        return f"{self.file} ({self.convention})"

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """Check each interval against its video."""
        result = {}
        for video in videos:
            values = np.zeros(video.frames, bool)
            for start, end in self.intervals.get(video.name, []):
                if end > video.frames:
                    raise SourceError(
                        f"{self.file}: an interval of video {video.name} ends after frame {end}, but it has "
                        f"{video.frames} frames; give the matching file with --labels"
                    )
                values[start:end] = True
            result[video.name] = runs(values)
        return result


@dataclass(frozen=True, kw_only=True)
class MaskLabels:
    """A frame is abnormal where its pixel mask marks anything.

    Attributes:
        file: where the masks came from.
    """

    file: str

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        return f"{self.file} (abnormal = any marked pixel)"

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """Labels of the videos that have masks; their number was checked when they were stored."""
        return {video.name: video.masks.marked for video in videos if video.masks is not None}
