"""What evidence is made of: the signals of a moment, each larger where a frame is less usual.

    local   the local errors in boxes of S sizes, dB
    psnr    -PSNR, dB
    paper   a (-PSNR) + b distance, with a = α / sd(-PSNR) and b = (1 - α) / sd(distance) of normal video: the
            published score without the statistics of the test video

Each is smoothed causally and brought to a standard (`mnad.evidence`), which is the same for any order of
smoothing and weighing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnad.evidence import causal_mean
from mnad.local_error import FLOOR
from pipeline.runs.calibration import CalibrationRecord, Trace
from pipeline.scoring.choices import Score
from pipeline.scoring.moments import Moment

_MOST_PSNR = float(-10 * np.log10(FLOOR))
"""dB; that of a frame without any error is infinite."""


@dataclass(frozen=True, kw_only=True)
class Signals:
    """The signals of one score.

    Attributes:
        score: its name.
        weights: a and b of `paper`; of no use to the others.
    """

    score: Score
    weights: tuple[float, float] = (1.0, 0.0)

    def of(self, moment: Moment) -> np.ndarray:
        """The signals (K,) float64 of a moment, finite."""
        return self.of_raw(self.raw(moment))

    def raw(self, moment: Moment) -> np.ndarray:
        """What the signals are computed from, without the weights."""
        if self.score == "local":
            return moment.local
        return np.array([-min(moment.psnr, _MOST_PSNR), moment.feature_distance])

    def of_raw(self, raw: np.ndarray) -> np.ndarray:
        """The signals (..., K) of what `raw` gave, (..., R)."""
        if self.score == "local":
            return raw
        if self.score == "psnr":
            return raw[..., :1]
        return raw[..., :1] * self.weights[0] + raw[..., 1:] * self.weights[1]


def uncalibrated(moment: Moment, score: Score) -> np.ndarray:
    """The one signal (1,), dB, of a moment where nothing is calibrated: -PSNR, or the table's local error."""
    return Signals(score=score).of(moment) if score == "psnr" else np.array([moment.local_error])


def signals_of(record: CalibrationRecord) -> Signals:
    """The signals that a calibration was made of."""
    weights = record.weights or (1.0, 0.0)
    return Signals(score=record.belongs.score, weights=(weights[0], weights[1]))


def paper_signals(traces: Sequence[Trace], alpha: float) -> Signals:
    """The weights of `paper` on some normal video.

    Args:
        traces: of recordings, what `Signals.raw` gave.
        alpha: weight of the PSNR.

    Raises:
        ValueError: PSNR or distance do not differ.
    """
    means = [causal_mean(each.seconds, each.values, each.restarts) for each in traces]
    seen = np.concatenate([mean[settled] for mean, settled in means])
    deviation = seen.std(axis=0) if len(seen) else np.zeros(2)
    if not (deviation > 0).all():
        raise ValueError("found normal video whose scores do not differ, expected real video")
    return Signals(score="paper", weights=(float(alpha / deviation[0]), float((1 - alpha) / deviation[1])))
