"""Small calibrations, of normal video that is given, for checkpoints of random weights."""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from mnad.drift import Usual
from mnad.evidence import Standard, alarming, causal_mean
from mnad.levels import Recording
from mnad.rates import Calibration
from pipeline.runs.calibration import Calibrated, CalibrationRecord, quantiles
from pipeline.runs.checkpoint import Checkpoint
from pipeline.scoring.instrument import instrument
from pipeline.version import code_version
from pipeline.video.timed import timed_frames
from shards.storage import Storage


def with_rate(checkpoint: Checkpoint, path: Path, rate: float) -> Checkpoint:
    """Write the checkpoint to `path` as if it was trained on so many frames per second, and return it."""
    made = dataclasses.replace(checkpoint, origin={"data": {"rate": rate}})
    path.write_bytes(made.to_bytes())
    return made


def make_calibration(
    checkpoint: Checkpoint, sha256: str, home: Path, normal: Path, *, alarms_per_hour: float
) -> CalibrationRecord:
    """Calibrate a checkpoint on a video file, as `calibrate` does, and write calibration.json into `home`."""
    tool = instrument(
        dataclasses.replace(checkpoint, sha256=sha256),
        torch.device("cpu"),
        memory="frozen",
        precision="fp32",
        batch_size=8,
    )
    seen = list(tool.moments(timed_frames(normal, str(normal))))
    seconds = np.array([moment.seconds for moment in seen])
    means, settled = causal_mean(seconds, np.stack([moment.local for moment in seen]))
    standard = Standard.fit(means[settled])
    recording = Recording(seconds, alarming(standard.evidence(means)[0], settled))
    calibration = Calibration.of([recording])
    record = CalibrationRecord(
        belongs=tool.belongings("local"),
        profile=None,
        checkpoint=checkpoint.name,
        code_version=code_version(),
        optimistic=False,
        alarms_per_hour=alarms_per_hour,
        confidence=0.9,
        recordings=(Calibrated(name=str(normal), identity="0" * 64, hours=calibration.hours),),
        weights=(),
        boxes=tool.gaze.boxes.boxes,
        mean=tuple(standard.mean.tolist()),
        deviation=tuple(standard.deviation.tolist()),
        calibration=calibration,
        quantiles=quantiles([recording]),
        usual=Usual.of([recording]),
    )
    record.save(Storage(str(home)))
    return record
