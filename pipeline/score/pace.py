"""Which of a video's frames are scored: the model must see them at the rate at which it was trained."""

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


def pace(job: Job, footage: Footage, path: Path, decoder: Decoder) -> Pace:
    """How to go through a video.

    Raises:
        ConfigError: its rate is not that of the checkpoint; names both.
        SourceError: it is not a video file.
    """
    rate = job.config.rate if footage.images else decoder.extent(footage, path).rate
    stride, fits = _stride(job, footage, rate)
    notes = []
    if rate is None:
        remedy = "give --rate" if footage.images else "convert the file"
        notes.append(f"its rate is not known, so no alarm can be raised: {remedy}")
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
