"""From local errors to evidence: causally smoothed, in standard deviations of normal video, the largest.

Nothing looks ahead, and nothing is taken from the video as a whole, so a live camera and a file give the same
values; whole videos and single frames go through the same arithmetic in the same order, bit by bit.

Dimension letters: F frames, S boxes (of `mnad.local_error`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

TAU = 0.3
"""Seconds over which local errors are smoothed."""

GAP = 1.0
"""Seconds between two scored frames; after more, smoothing starts again."""

_BLOCK = 1 << 16
"""Frames of a whole video that are numbers of Python at a time: these take a seventh of the time of an array
for each frame, with the same arithmetic, but five times its memory."""

SETTLING = 3 * TAU
"""Seconds after a start in which no alarm is raised: the first frame's share in the mean falls to 5 %."""


class CausalMean:
    """The causal mean over irregular times, one frame after another.

    With δ the seconds since the frame before:

        s_t = s_{t-} + (1 - exp(-δ / τ)) (local_t - s_{t-})        τ = 0.3 s

    It starts at the first frame's values, and again after a gap of more than 1 s or a `restart`.
    """

    def __init__(self) -> None:
        self._mean: np.ndarray | None = None
        self._seconds = self._start = -math.inf

    def restart(self) -> None:
        """Forget what was; to be called where a corrupt frame, say, breaks the row of windows."""
        self._mean = None

    def push(self, seconds: float, local: np.ndarray) -> tuple[np.ndarray, bool]:
        """Take the next frame.

        Args:
            seconds: its time, later than that of the frame before.
            local: (S,) local errors, dB.

        Returns:
            The means (S,), dB, and whether they have settled: no alarm may come from the first 0.9 s.

        Raises:
            ValueError: time does not go on, or a value is not finite.
        """
        if not self._seconds < seconds < math.inf:
            raise ValueError(
                f"found a frame at {seconds} s after one at {self._seconds} s, expected a later one"
            )
        if not np.isfinite(local).all():
            raise ValueError(f"found a local error that is no number at {seconds} s, expected finite dB")
        step = seconds - self._seconds
        if self._mean is None or step > GAP:
            self._mean, self._start = np.array(local, np.float64), seconds
        else:
            self._mean = self._mean + -math.expm1(-step / TAU) * (local - self._mean)
        self._seconds = seconds
        return self._mean, seconds - self._start >= SETTLING


def causal_mean(
    seconds: np.ndarray, local: np.ndarray, restarts: Iterable[int] = ()
) -> tuple[np.ndarray, np.ndarray]:
    """A whole video through `CausalMean`.

    Args:
        seconds: (F,) growing.
        local: (F, S) dB.
        restarts: frames before which the mean is to `restart`.

    Returns:
        The means (F, S), dB, and whether each has settled, (F,) bool.

    Raises:
        ValueError: as `CausalMean.push`.
    """
    seconds, local = np.asarray(seconds, np.float64), np.asarray(local, np.float64)
    if not (np.isfinite(local).all() and np.isfinite(seconds).all() and (np.diff(seconds) > 0).all()):
        state = CausalMean()
        for time, values in zip(seconds.tolist(), local, strict=True):
            state.push(time, values)  # says what is wrong with which frame
    steps = np.diff(seconds, prepend=-np.inf)
    starts = steps > GAP
    starts[[frame for frame in set(restarts) if 0 <= frame < len(starts)]] = True
    means = np.empty(local.shape)
    for first in range(0, len(local), _BLOCK):
        part = slice(first, first + _BLOCK)
        weights = [-math.expm1(-step / TAU) for step in steps[part].tolist()]
        begins = starts[part].tolist()
        for box in range(local.shape[1]):
            before = float(means[first - 1, box]) if first else 0.0
            values = local[part, box].tolist()
            means[part, box] = _followed(before, values, weights, begins)
    began = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
    return means, seconds - seconds[began] >= SETTLING


def _followed(mean: float, values: list[float], weights: list[float], starts: list[bool]) -> list[float]:
    """The means of one box after some frames, from the mean before them."""
    means = []
    for value, weight, start in zip(values, weights, starts, strict=True):
        mean = value if start else mean + weight * (value - mean)
        means.append(mean)
    return means


@dataclass(frozen=True, kw_only=True)
class Standard:
    """What causal means are like on normal video.

    Attributes:
        mean, deviation: (S,) float64, dB: mean and standard deviation of each box's causal mean. 0 and 1
            leave the dB of a single box as they are, which stands in where nothing is calibrated.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, means: np.ndarray) -> "Standard":
        """From the causal means (F, S) of the frames of normal video that have settled.

        Raises:
            ValueError: they are fewer than two, not finite, or do not differ.
        """
        if len(means) < 2:
            raise ValueError(f"found {len(means)} scored frames of normal video, expected at least 2")
        mean, deviation = means.mean(axis=0), means.std(axis=0)
        if not (np.isfinite(deviation).all() and (deviation > 1e-9 * (1 + np.abs(mean))).all()):
            raise ValueError("found normal video whose local errors do not differ, expected real video")
        return cls(mean=mean, deviation=deviation)

    def evidence(self, means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """evidence = max_k (smooth_k - mean_k) / sd_k, and the box k that has it.

        Args:
            means: (..., S) dB, of one frame or of many.

        Returns:
            Evidence (...) in standard deviations, and indices (...) of boxes.
        """
        z = (means - self.mean) / self.deviation
        return z.max(axis=-1), z.argmax(axis=-1)


def alarming(evidence: np.ndarray, settled: np.ndarray) -> np.ndarray:
    """The evidence that an alarm may come from: -inf where the mean has not settled."""
    return np.where(settled, evidence, -np.inf)
