"""From the signals of normal video to a calibration."""

import dataclasses
from array import array
from collections.abc import Sequence

import numpy as np

from mnad.drift import Usual
from mnad.evidence import Standard, causal_mean
from mnad.levels import watched
from mnad.rates import Calibration
from pipeline.runs.calibration import (
    Belongings,
    CalibrationRecord,
    Trace,
    evidence,
    quantiles,
)
from pipeline.scoring.instrument import Instrument
from pipeline.scoring.signals import Signals, paper_signals, signals_of
from pipeline.version import code_version

EMPTY = Trace(seconds=np.empty(0), values=np.empty((0, 0)), restarts=())
"""The trace of a recording that shows nothing of a profile."""


class Track:
    """A trace while it grows: some 64 bytes a frame."""

    def __init__(self) -> None:
        self._seconds, self._values = array("d"), array("d")
        self._restarts: list[int] = []

    def append(self, seconds: float, raw: np.ndarray, *, gap: bool) -> None:
        """Add a frame: its time, what `Signals.raw` gives, and whether windows began anew before it."""
        if gap:
            self._restarts.append(len(self._seconds))
        self._seconds.append(seconds)
        self._values.extend(raw.tolist())

    @property
    def trace(self) -> Trace:
        """What was added."""
        count = len(self._seconds)
        values = np.array(self._values).reshape(count, len(self._values) // max(1, count))
        return Trace(seconds=np.array(self._seconds), values=values, restarts=self._restarts)


def fit(
    tool: Instrument,
    belongs: Belongings,
    profile: str | None,
    traces: Sequence[Trace],
    *,
    alarms_per_hour: float,
    confidence: float | None,
) -> CalibrationRecord:
    """A calibration of recordings, which it does not list.

    Args:
        tool: that scored them.
        belongs: what the calibration belongs to.
        profile: of the camera, that they show.
        traces: of them, what `Signals.raw` gave.
        alarms_per_hour, confidence: that are asked of it; no confidence is of the mean.

    Raises:
        ValueError: they are too few, or do not differ.
    """
    signals = Signals(score=belongs.score)
    if belongs.alpha is not None:
        signals = paper_signals(traces, belongs.alpha)
    seen = weighed(signals, traces)
    means = [causal_mean(each.seconds, each.values, each.restarts) for each in seen]
    standard = Standard.fit(np.concatenate([mean[settled] for mean, settled in means]))
    recordings = evidence(standard, seen)
    return CalibrationRecord(
        belongs=belongs,
        profile=profile,
        checkpoint="",
        code_version=code_version(),
        optimistic=False,
        alarms_per_hour=alarms_per_hour,
        confidence=confidence,
        recordings=(),
        weights=signals.weights if belongs.score == "paper" else (),
        boxes=tool.gaze.boxes.boxes if belongs.score == "local" else (),
        mean=tuple(standard.mean.tolist()),
        deviation=tuple(standard.deviation.tolist()),
        calibration=Calibration.of(recordings),
        quantiles=quantiles(recordings),
        usual=Usual.of(recordings),
    )


def hours_of(record: CalibrationRecord, trace: Trace) -> float:
    """Of a recording, in which an alarm could have come."""
    if not len(trace.seconds):
        return 0.0
    return watched(evidence(record.standard, weighed(signals_of(record), [trace])))[1] / 3600


def weighed(signals: Signals, traces: Sequence[Trace]) -> list[Trace]:
    """The same traces with signals in place of what they are computed from."""
    return [dataclasses.replace(each, values=signals.of_raw(each.values)) for each in traces]
