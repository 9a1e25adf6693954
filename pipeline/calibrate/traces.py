"""What is kept of a recording while others are scored: when, and its signals; some 64 bytes a frame."""

import time
from collections.abc import Iterator

import numpy as np

from pipeline.calibrate.material import Material
from pipeline.errors import CalibrationError
from pipeline.runs.calibration import Trace
from pipeline.scoring.fitting import Track
from pipeline.scoring.instrument import Instrument
from pipeline.scoring.signals import Signals
from pipeline.terminal.progress import Advance
from pipeline.video.timed import TimedFrame


class Meter:
    """Tells how fast frames are scored, all recordings together."""

    def __init__(self, advance: Advance, rate: float) -> None:
        self._advance, self._rate = advance, rate
        self._started = time.monotonic()
        self._frames = 0

    def frame(self) -> None:
        """Count a frame."""
        self._frames += 1
        speed = self._frames / max(1e-9, time.monotonic() - self._started)
        times = speed / self._rate
        self._advance(0, f"{self._frames} frames at {speed:.0f} frames/s, {times:.2g} x real time")


def trace(
    instrument: Instrument, signals: Signals, material: Material, meter: Meter
) -> dict[str | None, Trace]:
    """Score a recording; of each profile in it the values that `Signals.raw` gives.

    Raises:
        CheckpointError, CalibrationError: the model gives something that is no number.
        ShardError, SourceError: the recording cannot be read.
    """
    tracks: dict[str | None, Track] = {}
    with material.opened() as frames:
        for moment in instrument.moments(_counted(frames, meter)):
            raw = signals.raw(moment)
            if not np.isfinite(raw).all():
                raise CalibrationError(
                    f"{material.name}: found a score that is no number at frame {moment.frame}, expected "
                    "one; take an earlier checkpoint or train again"
                )
            track = tracks.setdefault(moment.profile, Track())
            track.append(moment.seconds, raw, gap=moment.gap)
    return {profile: track.trace for profile, track in tracks.items()}


def _counted(frames: Iterator[TimedFrame], meter: Meter) -> Iterator[TimedFrame]:
    for frame in frames:
        meter.frame()
        yield frame
