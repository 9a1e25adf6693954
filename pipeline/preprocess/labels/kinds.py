"""Frame labels: what label files say, brought onto the frames that were decoded.

Labels are read before anything is decoded and applied after it, when the numbers of frames are known.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Protocol

import numpy as np

from pipeline.errors import SourceError
from shards.entries import Video
from shards.masks import runs

Intervals = tuple[tuple[int, int], ...]
"""Abnormal frames of a video as [start, end), 0-based, ascending."""


class Labels(Protocol):
    """Labels of the testing videos.

    Attributes:
        source: file and convention, for the manifest.
        notes: what a user should know of how they were matched with the videos.
    """

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of how they were matched with the videos."""
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
        first: the number of the first frame where the file numbers them, or None.
        notes: what a user should know.
    """

    file: str
    values: np.ndarray
    first: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        numbering = "" if self.first is None else f"frames from {self.first}, "
        return f"{self.file} (1 = abnormal, {numbering}testing videos end to end)"

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """Cut the array at the videos' ends."""
        total = sum(video.frames for video in videos)
        if total != len(self.values):
            each = ", ".join(f"{video.name}: {video.frames}" for video in videos)
            raise SourceError(
                f"{self.file}: holds {len(self.values)} labels, but the testing videos have {total} frames "
                f"({each}); give the matching file with --labels: for some of the videos that it labels, one "
                "that names videos, such as a CSV video,start,end"
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
        values: name to (frames,) bool, True where abnormal; a video without has no labels.
        convention: how the file writes them.
        notes: what a user should know.
    """

    file: str
    values: dict[str, np.ndarray]
    convention: str = "1 = abnormal, one array per video"
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        return f"{self.file} ({self.convention})"

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """Check each array against its video."""
        labelled = [video for video in videos if video.name in self.values]
        for video in labelled:
            if len(self.values[video.name]) != video.frames:
                raise SourceError(
                    f"{self.file}: holds {len(self.values[video.name])} labels for video {video.name}, which "
                    f"has {video.frames} frames; give the matching file with --labels"
                )
        return {video.name: runs(self.values[video.name]) for video in labelled}


@dataclass(frozen=True, kw_only=True)
class IntervalLabels:
    """Abnormal intervals for each video.

    Attributes:
        file: where they came from.
        convention: of the intervals as the file writes them.
        intervals: name to [start, end), 0-based; in any order, and they may overlap. A video without is
            wholly normal.
        notes: what a user should know.
    """

    file: str
    convention: str
    intervals: dict[str, list[tuple[int, int]]]
    notes: tuple[str, ...] = ()

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
class TimeLabels:
    """Abnormal times for each video, brought onto its frames by its frame rate.

    Attributes:
        file: where they came from.
        intervals: name to [start, end) in seconds from the video's start; in any order, and may overlap. A
            video without is wholly normal.
        notes: what a user should know.
    """

    file: str
    intervals: dict[str, list[tuple[Fraction, Fraction]]]
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        return f"{self.file} (seconds times the video's frames per second, rounded; end exclusive)"

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """Turn times into frames, and check these against their video."""
        intervals = {
            video.name: [self._frames(video, start, end) for start, end in self.intervals.get(video.name, [])]
            for video in videos
        }
        return IntervalLabels(file=self.file, convention="", intervals=intervals).apply(videos)

    def _frames(self, video: Video, start: Fraction, end: Fraction) -> tuple[int, int]:
        rate = video.source.get("rate")
        if not rate:
            raise SourceError(
                f"{self.file}: gives times for video {video.name}, which has no frame rate; give frames as "
                "video,start,end (0-based, end exclusive), or --rate if it is a folder of images or an "
                "elementary stream such as .h264"
            )
        if not video.source.get("even", True):
            raise SourceError(
                f"{self.file}: gives times for video {video.name}, whose frames last unequally long, so "
                "that no time tells a frame; give frames as video,start,end (0-based, end exclusive)"
            )
        first, last = (floor(Fraction(rate) * time + Fraction(1, 2)) for time in (start, end))
        if first == last:
            raise SourceError(
                f"{self.file}: {float(start):g} to {float(end):g} s of video {video.name} is less than a "
                f"frame at {rate:g} frames/s; lengthen or remove it"
            )
        return first, last


@dataclass(frozen=True, kw_only=True)
class MaskLabels:
    """A frame is abnormal where its pixel mask marks anything.

    Attributes:
        file: where the masks came from.
        notes: what a user should know.
    """

    file: str
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """File and convention, for the manifest."""
        return f"{self.file} (abnormal = any marked pixel)"

    def apply(self, videos: list[Video]) -> dict[str, Intervals]:
        """Labels of the videos that have masks; their number was checked when they were stored."""
        return {video.name: video.masks.marked for video in videos if video.masks is not None}
