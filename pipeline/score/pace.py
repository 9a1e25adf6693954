"""Which of a video's frames are scored: the model must see them at the rate at which it was trained.

The rate of a file is the mean that its header gives, or that at which its first frames come, if these come
evenly at another one. A file whose rate changes, as those of mobile phones do, may have the right mean and
not one stretch at that rate, so the times of all frames are looked at, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.score.job import Job
from pipeline.video import timed
from pipeline.video.decoding import Decoder
from pipeline.video.footage import Footage


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How a video is gone through.

    Attributes:
        stride: of how many frames one is scored.
        rate: scored frames per second; None where nobody knows.
        is_calibrated: whether the calibration holds for it.
        notes: what a reader must know.
    """

    stride: int
    rate: float | None
    is_calibrated: bool
    notes: tuple[str, ...] = ()


_STRETCH = 10
"""Frames over which the rate is taken: a single one that is left out makes 9 %, which is no other rate."""
_STRAYED = 0.1
"""The share of a video's time at another rate that a reader is told of."""


class Steadiness:
    """Whether frames come at a rate all the time, of which only the mean was known."""

    def __init__(self, rate: float | None) -> None:
        """Watch for a rate in frames per second; with None, every rate is right."""
        self._rate = rate
        self._frames = 0
        self._start: float | None = None
        self._strayed = self._counted = 0.0

    def push(self, seconds: float, *, restart: bool) -> None:
        """Take the time of the next scored frame, and whether something before it is missing."""
        if self._rate is None:
            return
        if restart or self._start is None:
            self._frames, self._start = 0, seconds
            return
        self._frames += 1
        if self._frames < _STRETCH:
            return
        passed = seconds - self._start
        self._counted += passed
        if abs(self._frames / passed / self._rate - 1) > timed.RATE_TOLERANCE:
            self._strayed += passed
        self._frames, self._start = 0, seconds

    def notes(self) -> Iterator[str]:
        """What a reader must know of it."""
        share = self._strayed / self._counted if self._counted else 0.0
        if share > _STRAYED:
            yield (
                f"for {100 * share:.0f} % of its time its frames do not come at the checkpoint's "
                f"{self._rate:g} per second, which they have in the mean alone, and no promise holds there; "
                "convert it to a steady rate"
            )


def pace(job: Job, footage: Footage, path: Path, decoder: Decoder) -> Pace:
    """How to go through a video.

    Raises:
        ConfigError: its rate is not that of the checkpoint; names both.
        SourceError: it is not a video file.
    """
    rate = decoder.rate(footage, path, job.config.rate)
    stride, fits = _stride(job, footage, rate)
    notes = []
    if rate is None:
        notes.append(f"{timed.NO_RATE}: give --rate")
    elif not fits:
        notes.append(
            f"its {rate:g} frames/s are not those of the checkpoint, so its rarity is not known (--any-rate)"
        )
    scored = None if rate is None else rate / stride
    is_calibrated = job.alarms is not None and scored is not None and fits
    return Pace(
        stride=stride,
        rate=scored,
        is_calibrated=is_calibrated,
        notes=tuple(notes),
    )


def _stride(job: Job, footage: Footage, rate: float | None) -> tuple[int, bool]:
    """Of how many frames one is scored, and whether their rate is the checkpoint's, if both are known."""
    given = job.config.every
    expected = job.rate
    if rate is None or expected is None:
        return (1 if given == "auto" else given), True
    try:
        if given == "auto":
            return timed.every(rate, expected, str(footage)), True
        if abs(rate / given / expected - 1) > timed.RATE_TOLERANCE:
            raise ConfigError(
                f"{footage}: found {rate:g} frames/s, of which --every {given} leaves {rate / given:.4g}, "
                f"expected the {expected:g} frames/s that the checkpoint was trained on, within 10 %; take "
                "--every auto, or score without a calibration with --any-rate"
            )
        return given, True
    except ConfigError:
        if not job.config.any_rate:
            raise
        return (max(1, round(rate / expected)) if given == "auto" else given), False
