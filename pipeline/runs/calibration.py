"""What a calibration found: `calibration.json`, by which frames of normal rarity are told from alarms.

It keeps the peaks of the evidence and how alarms come in blocks, so that every other rate is answered later
without the video, and says to what it belongs: scores of another checkpoint, mask, rate, size, runtime or
precision are others, and its levels mean nothing for them.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mnad.drift import SHARES, Usual
from mnad.evidence import Standard, alarming, causal_mean
from mnad.levels import Recording
from mnad.rates import Calibration, Threshold
from pipeline.errors import CalibrationError
from pipeline.runs.entries import entries
from pipeline.runs.layout import is_profile
from pipeline.runs.promises import promise
from shards.digests import digest_of
from shards.jsonfile import read_json
from shards.storage import Storage

RECORD = "calibration.json"
"""Where in a run its calibration lies; beside a checkpoint file that lies in no run."""
_FORMAT = "mnad-calibration"
_VERSION = 1
_MOST_BYTES = 32 << 20
"""The largest calibration file in bytes. A year of video takes 6 MB: 100 peaks and 6 blocks an hour at the
most."""
QUANTILES = 1001
_SMALL, _LARGE = 1e-9, 1e9
"""What hours, rates, dB and deviations lie between, so that nothing computed from them overflows."""

Runtime = Literal["torch", "onnx", "openvino"]


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """What a calibration belongs to. Scores under any other are not comparable.

    Attributes:
        checkpoint: SHA-256 of its file.
        score: what evidence is made of.
        alpha: weight of the PSNR in the score `paper`, None of others.
        tau: seconds over which signals are smoothed.
        mask: SHA-256 of what is looked at, None without a mask.
        height, width: of the frames that the model sees.
        rate: frames per second that are scored.
        runtime, precision: of the network.
        memory: how scored frames update it.
    """

    checkpoint: str
    score: Literal["local", "psnr", "paper"]
    alpha: float | None
    tau: float
    mask: str | None
    height: int
    width: int
    rate: float
    runtime: Runtime
    precision: Literal["fp32", "bf16", "int8"]
    memory: Literal["frozen", "video"]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """A recording that is in a calibration.

    Attributes:
        name: of its file, or of its video in a shard set.
        identity: a digest of its content, by which it is known when it comes again.
        hours: in which an alarm could have come.
    """

    name: str
    identity: str
    hours: float


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """An event of a watched camera that a person has called normal: an alarm more of normal video.

    Attributes:
        event: its id, by which it is known when it comes again.
        camera: name.
        evidence: of its peak.
    """

    event: str
    camera: str
    evidence: float


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The signals of a recording's scored frames.

    Attributes:
        seconds: (F,) growing.
        values: (F, K), finite.
        restarts: frames before which windows began anew.
    """

    seconds: np.ndarray
    values: np.ndarray
    restarts: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class CalibrationRecord:
    """All that `calibration.json` holds, but what follows from it.

    Attributes:
        belongs: what it belongs to.
        profile: of the camera that its video shows; None is of all.
        checkpoint: name of the file, for messages.
        code_version: of this program.
        optimistic: whether the model was trained on some of the video.
        alarms_per_hour, confidence: what was asked for at last; no confidence is of the mean.
        recordings: what it was made of.
        weights: of PSNR and feature distance in the score `paper`; nothing for other scores.
        boxes: edge of each box of the score `local`, pixels; nothing for other scores.
        mean, deviation: of each signal, smoothed, on normal video.
        calibration: from evidence to rarity.
        quantiles: evidence below which 0, 0.1 % ... 100 % of the time lie.
        usual: how hours differ from one another.
        labelled: events that count as alarms, see `with_labelled`.
    """

    belongs: Belongings
    profile: str | None
    checkpoint: str
    code_version: str
    optimistic: bool
    alarms_per_hour: float
    confidence: float | None
    recordings: tuple[Calibrated, ...]
    weights: tuple[float, ...]
    boxes: tuple[int, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    calibration: Calibration
    quantiles: tuple[float, ...]
    usual: Usual
    labelled: tuple[Labelled, ...] = ()

    @property
    def standard(self) -> Standard:
        """What signals are held against."""
        return Standard(mean=np.array(self.mean, np.float64), deviation=np.array(self.deviation, np.float64))

    @property
    def standard_digest(self) -> str:
        """What evidence is measured by: that of calibrations with another is not comparable."""
        parts = (dataclasses.asdict(self.belongs), self.weights, self.boxes, self.mean, self.deviation)
        return digest_of([json.dumps(parts).encode()])

    def with_labelled(self, labelled: Sequence[Labelled]) -> "CalibrationRecord":
        """With these events as alarms of normal video, in place of those that were; hours stay."""
        ordered = tuple(sorted(labelled, key=lambda each: (-each.evidence, each.event)))
        peaks = tuple(each.evidence for each in ordered)
        calibration = dataclasses.replace(self.calibration, labelled=peaks)
        return dataclasses.replace(self, calibration=calibration, labelled=ordered)

    def added(self, traces: Sequence[Trace]) -> "CalibrationRecord":
        """With the hours of more normal video. Standard and closing levels stay as they are."""
        more = evidence(self.standard, traces)
        calibration = self.calibration.add(more)
        return dataclasses.replace(
            self,
            calibration=calibration,
            quantiles=_joined(self.quantiles, self.calibration.hours, more, calibration.hours),
            usual=self.usual.add(more),
        )

    def to_json(self) -> bytes:
        """The file. What follows from the rest stands in it for people and other programs."""
        found = self.calibration.threshold(self.alarms_per_hour, delta_of(self.confidence))
        words = promise(found, optimistic=self.optimistic) if isinstance(found, Threshold) else None
        record = {
            "format": _FORMAT,
            "version": _VERSION,
            "promise": words,
            "phi": self.calibration.phi,
            **dataclasses.asdict(self),
        }
        return (json.dumps(record, indent=1, allow_nan=False) + "\n").encode()

    def save(self, home: Storage) -> None:
        """Write it, whole or not at all."""
        home.write(record_name(self.profile), self.to_json())

    def difference(self, found: Belongings) -> tuple[str, str] | None:
        """The first thing in which it belongs to another than is found: its own and that, in words."""
        for field in dataclasses.fields(Belongings):
            own, given = getattr(self.belongs, field.name), getattr(found, field.name)
            if own != given:
                return _described(field.name, own), _described(field.name, given)
        return None

    def refuse_other(self, found: Belongings, where: str) -> None:
        """Keep it from being used for what it does not belong to.

        Args:
            found: what it is to be used for.
            where: the file, for the message.

        Raises:
            CalibrationError: names the first thing that differs, what was found and what was expected.
        """
        differs = self.difference(found)
        if differs is not None:
            raise CalibrationError(
                f"{where}: found a calibration of {differs[0]}, expected one of {differs[1]}; calibrate "
                "again as you score, or score as it was calibrated"
            )


def record_name(profile: str | None) -> str:
    """Where in a run the calibration of a profile lies."""
    return RECORD if profile is None else f"calibration-{profile}.json"


def calibrated_profiles(home: Storage) -> list[str | None]:
    """The profiles of the calibrations in a run, by name; of a web server, which lists nothing, none."""
    if not home.can_list:
        return [None] if home.exists(RECORD) else []
    names = set(home.names())
    before, _, after = record_name("|").partition("|")
    inner = (name.removeprefix(before).removesuffix(after) for name in names)
    named = sorted(each for each in inner if is_profile(each) and record_name(each) in names)
    return [None] * (RECORD in names) + [*named]


def delta_of(confidence: float | None) -> float | None:
    """δ of a confidence; None is of the mean."""
    return None if confidence is None else 1 - confidence


def evidence(standard: Standard, traces: Sequence[Trace]) -> list[Recording]:
    """What recordings show, held against a standard, frame by frame as `score` sees it."""
    found = []
    for trace in traces:
        means, settled = causal_mean(trace.seconds, trace.values, trace.restarts)
        found.append(Recording(trace.seconds, alarming(standard.evidence(means)[0], settled)))
    return found


def _joined(
    quantiles: Sequence[float], hours: float, more: Sequence[Recording], total: float
) -> tuple[float, ...]:
    """The quantiles of a calibration with more recordings, each weighed by its hours."""
    new = np.concatenate([np.empty(0), *(recording.settled for recording in more)])
    if not len(new):
        return tuple(quantiles)
    shares = np.linspace(0, 1, QUANTILES)
    levels = np.sort(np.concatenate([quantiles, np.quantile(new, shares)]))
    old = np.interp(levels, quantiles, shares) * hours
    added = np.interp(levels, np.quantile(new, shares), shares) * (total - hours)
    return tuple(np.interp(shares, (old + added) / total, levels).tolist())


def quantiles(recordings: Sequence[Recording]) -> tuple[float, ...]:
    """Evidence below which 0, 0.1 % ... 100 % of what has settled lies."""
    settled = np.concatenate([recording.settled for recording in recordings])
    return tuple(np.quantile(settled, np.linspace(0, 1, QUANTILES)).tolist())


def _described(name: str, value: object) -> str:
    """What differs, in words."""
    match name:
        case "checkpoint":
            return f"the checkpoint with SHA-256 {value!s:.12}..."
        case "mask":
            return "no mask" if value is None else f"the mask {value!s:.12}..."
        case "rate":
            return f"{value:g} frames/s"
        case "tau":
            return f"smoothing over {value:g} s"
        case "alpha":
            return f"alpha {value}"
        case "height" | "width":
            return f"frames of {name} {value}"
        case _:
            return f"{name} {value}"


def load_calibration(home: Storage, name: str = RECORD) -> CalibrationRecord:
    """Read and check a calibration.

    Args:
        home: where it lies.
        name: of the file.

    Raises:
        CalibrationError: it is missing, damaged, or of something else.
    """
    where = f"{home}/{name}"
    try:
        record = record_from_json(read_json(home, name, most=_MOST_BYTES))
        if record_name(record.profile) != name:
            raise ValueError(f"found profile {record.profile!r}, which is not that of the file's name")
        return record
    except FileNotFoundError:
        raise CalibrationError(
            f"{where}: not found, expected the calibration of the run; run calibrate RUN first"
        ) from None
    except ValueError as error:
        reason = str(error).removeprefix(f"{where}: ")
        raise CalibrationError(f"{where}: not a calibration ({reason}); run calibrate again") from error


def record_from_json(value: Any) -> CalibrationRecord:
    """Inverse of `CalibrationRecord.to_json`, parsed.

    Raises:
        ValueError: one line that names the first entry that cannot be right.
    """
    record = entries(CalibrationRecord, _with_labels(value))
    if (value.get("format"), value.get("version")) != (_FORMAT, _VERSION):
        raise ValueError(f"found {value.get('format')!r:.80}, expected {_FORMAT} version {_VERSION}")
    made, belongs, usual = record.calibration, record.belongs, record.usual
    count = len(record.boxes) if belongs.score == "local" else 1
    for name, holds in (
        ("profile", record.profile is None or is_profile(record.profile)),
        ("belongs.rate", 0 < belongs.rate <= _LARGE),
        ("belongs.tau", 0 < belongs.tau <= _LARGE),
        ("belongs.height", belongs.height > 0),
        ("belongs.width", belongs.width > 0),
        ("belongs.alpha", (belongs.alpha is not None) == (belongs.score == "paper")),
        ("alarms_per_hour", _SMALL <= record.alarms_per_hour <= _LARGE),
        ("confidence", record.confidence is None or 0 < record.confidence < 1),
        ("weights", len(record.weights) == (2 if belongs.score == "paper" else 0)),
        ("boxes", (len(record.boxes) > 0) == (belongs.score == "local")),
        ("boxes", all(box > 0 and box % 2 for box in record.boxes)),
        ("mean", len(record.mean) == count and _bounded(record.mean)),
        ("deviation", len(record.deviation) == count and _bounded(record.deviation)),
        ("deviation", all(each >= _SMALL for each in record.deviation)),
        ("weights", _bounded(record.weights)),
        ("recordings", all(0 <= each.hours <= _LARGE for each in record.recordings)),
        ("calibration.hours", _SMALL <= made.hours <= _LARGE),
        ("calibration.levels.floor", _bounded([made.levels.floor])),
        ("calibration.peaks", _bounded(made.peaks) and _descends(made.peaks)),
        ("calibration.labelled", _bounded(made.labelled) and _descends(made.labelled)),
        ("calibration.labelled", made.labelled == tuple(each.evidence for each in record.labelled)),
        ("calibration.levels.peaks", _bounded(made.levels.peaks) and _descends(made.levels.peaks)),
        ("calibration.block_level", made.block_level >= made.levels.floor),
        ("calibration.blocks", all(0 <= block <= 1 << 20 for block in made.blocks)),
        ("quantiles", len(record.quantiles) == QUANTILES and _descends(record.quantiles[::-1])),
        ("quantiles", _bounded(record.quantiles)),
        ("usual", _bounded(usual.levels)),
        ("usual", all(len(some) == len(SHARES) for some in (usual.levels, usual.lowest, usual.highest))),
        ("usual", usual.hours >= 0 and all(0 <= share <= 1 for share in usual.lowest + usual.highest)),
    ):
        if not holds:
            raise ValueError(f"found {name} that cannot be")
    return record


def _with_labels(value: Any) -> Any:
    """A record as it is written now: those from before events could be called normal have none."""
    if not isinstance(value, dict) or not isinstance(value.get("calibration"), dict):
        return value
    return {"labelled": [], **value, "calibration": {"labelled": [], **value["calibration"]}}


def _bounded(values: Sequence[float]) -> bool:
    return all(-_LARGE <= value <= _LARGE for value in values)


def _descends(values: Sequence[float]) -> bool:
    return bool((np.diff(np.array(values, np.float64)) <= 0).all())
