"""A small camera: a calibrated run, and a video with two abnormal stretches."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from pipeline.score.config import ScoreConfig
from pipeline.score.run import score
from pipeline.score.summary import Summary
from tests.helpers.calibrated import make_calibration, with_rate
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.videos import scene, write_video

SIZE = (16, 24)
RATE = 2
FRAMES = 120
ABNORMAL = ((12, 18), (102, 108))
"""Frames; 42 s lie between them, more than window, hold and cooldown together."""
ALARMS_PER_HOUR = 150.0


def abnormal_video() -> np.ndarray:
    """Sixty seconds of walkers, and twice a fast block."""
    frames = _walkers()
    for span in ABNORMAL:
        frames[slice(*span)] = _walkers(span)[slice(*span)]
    return frames


def normal_video() -> np.ndarray:
    """The same walkers, and once a fainter block, far rarer: no rounding makes an alarm of the walkers."""
    frames, span = _walkers(), (60, 63)
    shadow = _walkers(span)[slice(*span)]
    frames[slice(*span)] = (0.1 * frames[slice(*span)] + 0.9 * shadow).astype(np.uint8)
    return frames


def _walkers(abnormal: tuple[int, int] = (0, 0)) -> np.ndarray:
    return scene(FRAMES, size=(48, 72), seed=1, abnormal=abnormal)


@dataclasses.dataclass(frozen=True)
class World:
    """A calibrated run, and a video with two abnormal stretches."""

    run: Path
    video: Path

    def score(self, out: Path, *videos: Path, **options: object) -> Summary:
        given = tuple(map(str, videos or (self.video,)))
        full = {"videos": given, "checkpoint": str(self.run), "out": str(out), "device": "cpu", **options}
        return score(ScoreConfig(**full))  # type: ignore[arg-type]


def make_world(root: Path) -> World:
    """A run with a random model, calibrated on a minute of walkers, and a minute with a block twice."""
    file = root / "run" / "checkpoints" / "model-00000003.safetensors"
    checkpoint = with_rate(make_checkpoint(file, size=SIZE), file, RATE)
    normal = write_video(root / "normal.mp4", normal_video(), rate=RATE)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    make_calibration(checkpoint, digest, root / "run", normal, alarms_per_hour=ALARMS_PER_HOUR)
    return World(run=root / "run", video=write_video(root / "cam.mp4", abnormal_video(), rate=RATE))
