"""What a run of `score` works with, opened and found to fit together."""

from dataclasses import dataclass
from typing import Any

import torch

from pipeline.processes.distributed import Process
from pipeline.runs.checkpoint import Checkpoint, load_checkpoint
from pipeline.runs.layout import home_of
from pipeline.runs.trainedon import Depth, depth_of, rate_of
from pipeline.score.config import ScoreConfig
from pipeline.scoring.alarms import Alarms, alarms_of, unarmed
from pipeline.scoring.choices import Score
from pipeline.scoring.instrument import Instrument, frame_size, instrument
from pipeline.scoring.runtime import network_asked
from pipeline.version import code_version
from pipeline.video.masks import read_mask
from pipeline.video.zones import Zones, read_zones
from shards.storage import Storage

_OF_WORK = (
    *("format", "overlay", "clips", "clip_margin", "every", "any_rate", "rate"),
    *("score", "profile", "memory"),
)
"""Options that the results follow from."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all videos share.

    Attributes:
        config: the options.
        tool: the model.
        zones: of the picture, or None.
        alarms: None without a calibration.
        home: of the run, where a calibration was looked for.
    """

    config: ScoreConfig
    tool: Instrument
    zones: Zones | None
    alarms: Alarms | None
    home: Storage

    @property
    def checkpoint(self) -> Checkpoint:
        """The model's."""
        return self.tool.checkpoint

    @property
    def rate(self) -> float | None:
        """Frames per second that are to be scored; None where nobody knows."""
        return rate_of(self.checkpoint.origin)

    @property
    def depth(self) -> Depth | None:
        """What the model saw of 16-bit images."""
        return depth_of(self.checkpoint.origin)

    @property
    def score(self) -> Score:
        """What evidence is made of, also where the calibration does not hold."""
        own = "local" if self.alarms is None else self.alarms.record.belongs.score
        return self.config.score or own

    @property
    def tells_drift(self) -> bool:
        """Whether video can be held against the calibration's hours: gains make it look more normal."""
        return self.alarms is not None and (self.zones is None or not self.zones.gain.any())

    def work(self) -> dict[str, Any]:
        """What the results of a video follow from, beside the video."""
        return {
            "code_version": code_version(),
            "checkpoint_sha256": self.checkpoint.sha256,
            "calibration": None if self.alarms is None else self.alarms.digest,
            "mask": None if self.tool.mask is None else self.tool.mask.digest,
            "zones": None if self.zones is None else self.zones.digest,
            "runtime": self.tool.runtime,
            "precision": self.tool.precision,
            **{name: getattr(self.config, name) for name in _OF_WORK},
        }


def prepare(config: ScoreConfig, process: Process) -> Job:
    """Open the model and its calibration.

    Raises:
        CheckpointError, CalibrationError, SourceError: one cannot be used, or does not fit the options.
    """
    checkpoint = load_checkpoint(config.checkpoint)
    size = frame_size(checkpoint)
    zones = None if config.zones is None else read_zones(config.zones, size)
    home = Storage(home_of(config.checkpoint))
    runtime, precision = network_asked(config.runtime, config.precision, home, config.profile)
    tool = instrument(
        checkpoint,
        process.device,
        memory=config.memory,
        runtime=runtime or "torch",
        precision=precision or "fp32",
        batch_size=config.batch_size,
        mask=None if config.mask is None else read_mask(config.mask, size),
        gain=None if zones is None else torch.from_numpy(zones.gain).to(process.device),
        profile=config.profile,
    )
    return Job(config=config, tool=tool, zones=zones, alarms=alarms_of(tool, home, config.asked), home=home)


def missing(job: Job) -> str | None:
    """Why no alarm can be raised, and the command that mends it; None if one can."""
    return unarmed(job.alarms, job.tool, job.config.checkpoint, score=job.config.score, mask=job.config.mask)
