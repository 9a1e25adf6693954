"""What an evaluation found: `metrics.json`, which it writes last, and which others read."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ReportError
from pipeline.runs.entries import entries
from pipeline.runs.limits import MOST_SMOOTHING
from pipeline.runs.provenance import Provenance
from pipeline.runs.spec import ModelSpec
from shards.jsonfile import read_json
from shards.storage import Storage

RECORD = "metrics.json"
"""Where in an evaluation its record lies; an evaluation that has it is whole."""
_FORMAT = "mnad-evaluation"
_VERSION = 1
_SINCE = ("online", "bounds")
"""Entries that records of before do not have."""


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures for one score. None where they are not defined: without both normal and abnormal frames.

    Attributes:
        auc: micro AUC, over all frames after min-max per video; the method's published figure.
        auc_global: the same after one min-max over all videos.
        auc_raw: the same without normalisation.
        auc_macro: mean of the videos' own AUC over videos that have both classes.
        average_precision: over all frames after min-max per video.
        equal_error_rate: where as many normal frames are flagged as abnormal ones are missed.
    """

    auc: float | None
    auc_global: float | None
    auc_raw: float | None
    auc_macro: float | None
    average_precision: float | None
    equal_error_rate: float | None


@dataclass(frozen=True, kw_only=True)
class FrameCounts:
    """How many frames were scored, how many of those have a label, and how many of these are abnormal."""

    scored: int
    labelled: int
    abnormal: int


@dataclass(frozen=True, kw_only=True)
class VideoFigures:
    """Of one video that has scores.

    Attributes:
        name: of the video.
        scored: frames with a score.
        abnormal: of these; None without labels.
        memory_updates: frames that updated the memory.
        auc: of its frames alone; None without both normal and abnormal ones.
    """

    name: str
    scored: int
    abnormal: int | None
    memory_updates: int
    auc: float | None


@dataclass(frozen=True, kw_only=True)
class Online:
    """Micro AUC over all frames of scores that know nothing of the rest of the video, as an alarm has them.

    Attributes:
        psnr: of minus the PSNR, as it is.
        local_error: of the local error, as it is.
        psnr_smoothed, local_error_smoothed: the same under the causal mean over 0.3 s, a PSNR of more than
            90 dB taken as 90; None where the frame rate of a video is not known.
    """

    psnr: float | None
    local_error: float | None
    psnr_smoothed: float | None
    local_error_smoothed: float | None


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How far figures of histograms may be from those of the rows, which were too many to hold.

    Attributes:
        bins: of each histogram.
        metrics, smoothed, online: the most that each figure of the same name is off; 0 where it is exact.
    """

    bins: int
    metrics: dict[str, Metrics]
    smoothed: Metrics | None
    online: Online | None

    def of(self, score: str) -> Metrics | None:
        """Those of one score, if there are any."""
        return self.metrics.get(score)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What follows from the table of scores alone, so that a reader can check it.

    Attributes:
        auc: of the anomaly score.
        metrics: by score; None without labels.
        smoothed: of the smoothed anomaly score, beside the `sigma` of the smoothing; None without.
        base_rate: share of abnormal frames among those with a label; None without labels.
        frames: counts.
        videos: those that have scores, in order.
        online: of scores without any statistic of the test video; None without labels, and in records of
            before.
        bounds: of figures that are from histograms; None where all are exact.
    """

    auc: float | None
    metrics: dict[str, Metrics] | None
    smoothed: dict[str, float | None] | None
    base_rate: float | None
    frames: FrameCounts
    videos: tuple[VideoFigures, ...]
    online: Online | None = None
    bounds: Bounds | None = None

    def of(self, score: str) -> Metrics | None:
        """The figures of one score, if there are any."""
        return (self.metrics or {}).get(score)


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """Figures; None where they are not defined.

    Attributes:
        pixel_auc: AUC over all pixels of all frames.
        region_auc: RBDC, area under the rate of found regions over false regions per frame, from 0 to 1.
        track_auc: TBDC, the same for tracks.
        regions, tracks: labelled ones.
    """

    pixel_auc: float | None
    region_auc: float | None
    track_auc: float | None
    regions: int
    tracks: int


@dataclass(frozen=True, kw_only=True)
class ScoredModel(ModelSpec):
    """The model, how long it was trained, and how it came about, as in its checkpoint."""

    step: int
    epoch: int
    origin: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast frames were scored.

    Attributes:
        frames_per_second: of all processes together.
        seconds: that the slowest process took.
        frames: scored; those whose scores were taken from an earlier evaluation do not count.
        timed: what is in the time, in words.
        device: `cpu` or `cuda`.
    """

    frames_per_second: float
    seconds: float
    frames: int
    timed: str
    device: str


@dataclass(frozen=True, kw_only=True)
class EvaluationRecord(Figures):
    """All that `metrics.json` holds, in its order.

    Attributes:
        label_source: what the labels came from.
        localisation: whether anomalies were found where they are; None without error maps or pixel masks.
        notes: what a reader of the figures must know, in sentences.
        provenance: what the scores were computed from.
        model: that scored.
        dataset: the layout of the shard set's source.
        config: the options of the evaluation, as they may be written down.
        timing: its speed.
    """

    label_source: tuple[str, ...]
    localisation: Localisation | None
    notes: tuple[str, ...]
    provenance: Provenance
    model: ScoredModel
    dataset: str
    config: dict[str, Any]
    timing: Speed

    @property
    def smoothing(self) -> float:
        """Sigma of the smoothed figures, frames; 0 without."""
        sigma: float = self.config["smoothing"]
        return sigma

    def to_json(self) -> bytes:
        """The file."""
        record = {"format": _FORMAT, "version": _VERSION, **dataclasses.asdict(self)}
        return (json.dumps(record, indent=1) + "\n").encode()

    def save(self, out: Storage) -> None:
        """Write it into the folder of its evaluation, which is whole from then on."""
        out.write(RECORD, self.to_json())


def load_record(storage: Storage, name: str = RECORD) -> EvaluationRecord:
    """Read and check the record of an evaluation.

    Args:
        storage: where the file lies.
        name: of the file.

    Raises:
        ReportError: it is missing, damaged, or of something else.
    """
    where = f"{storage}/{name}"
    try:
        return record_from_json(read_json(storage, name))
    except FileNotFoundError:
        raise ReportError(
            f"{storage}: no {name} found; give a folder that evaluate wrote, or run evaluate again"
        ) from None
    except ValueError as error:
        reason = str(error).removeprefix(f"{where}: ")
        raise ReportError(f"{where}: not that of an evaluation ({reason}); run evaluate again") from error


def record_from_json(value: Any) -> EvaluationRecord:
    """Inverse of `EvaluationRecord.to_json`, parsed.

    Raises:
        ValueError: one line that names the first entry that cannot be right.
    """
    known = {**dict.fromkeys(_SINCE), **value} if isinstance(value, dict) else value
    record = entries(EvaluationRecord, known)
    if value.get("format") != _FORMAT:
        raise ValueError("of another program")
    if type(record.config.get("smoothing")) not in (int, float):
        raise ValueError("found no number config.smoothing")
    for name, number, most in (
        ("auc", record.auc or 0, 1),
        ("alpha", record.provenance.alpha, 1),
        ("smoothing", record.smoothing, MOST_SMOOTHING),
    ):
        if not 0 <= number <= most:
            raise ValueError(f"found {name} {number}, expected 0 to {most}")
    if record.provenance.processes < 1:
        raise ValueError(f"found {record.provenance.processes} processes")
    return record
