"""Calibrations of made-up signals."""

import numpy as np

from mnad.drift import Usual
from mnad.evidence import Standard, causal_mean
from mnad.rates import Calibration
from pipeline.runs.calibration import (
    Belongings,
    Calibrated,
    CalibrationRecord,
    Trace,
    evidence,
    quantiles,
)

BELONGS = Belongings(
    checkpoint="c0ffee" * 10 + "0123",
    score="local",
    alpha=None,
    tau=0.3,
    mask=None,
    height=16,
    width=24,
    rate=10.0,
    runtime="torch",
    precision="fp32",
    memory="frozen",
)


def noise(seed: int, *, seconds: float = 1800.0, rate: float = 10.0, signals: int = 3) -> Trace:
    """A recording of signals that wander about."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    slow = np.convolve(rng.normal(size=count + 49), np.ones(50) / 7, mode="valid")
    values = -30 + slow[:, None] + rng.normal(size=(count, signals))
    return Trace(seconds=np.arange(count) / rate, values=values, restarts=[count // 3])


def made_of(traces: list[Trace]) -> CalibrationRecord:
    """A calibration of recordings."""
    means = [causal_mean(trace.seconds, trace.values, trace.restarts) for trace in traces]
    standard = Standard.fit(np.concatenate([mean[settled] for mean, settled in means]))
    recordings = evidence(standard, traces)
    return CalibrationRecord(
        belongs=BELONGS,
        profile=None,
        checkpoint="runs/yard/checkpoints/model-00000003.safetensors",
        code_version="0",
        optimistic=False,
        alarms_per_hour=6.0,
        confidence=0.9,
        recordings=tuple(
            Calibrated(name=f"{number}.mp4", identity=f"{number:064x}", hours=0.5)
            for number in range(len(traces))
        ),
        weights=(),
        boxes=(3, 5, 7),
        mean=tuple(standard.mean.tolist()),
        deviation=tuple(standard.deviation.tolist()),
        calibration=Calibration.of(recordings),
        quantiles=quantiles(recordings),
        usual=Usual.of(recordings),
    )
