"""How often normal video raises an alarm, and the threshold that keeps a promised rate.

    N*(v)  = alarms that A(v) raises on the calibration's T hours of normal video; the largest for any v' >= v
    R̂(v)   = (N*(v) + 1) / T                                       alarms per hour to be expected
    rarity(v) = 1 / R̂(v) hours, at most T
    R⁺(v)  = φ μ / T, μ the smallest with Q(N*(v) / φ + 1, μ) <= δ        exceeded with probability δ
    threshold(λ, δ) = the lowest v with R⁺(v) <= λ; refused if -φ ln δ / T > λ

Events that a person has called normal while the camera was watched count as alarms, too: N*(v) is larger by
one at every v up to the peak of each. T stays as it is, for nobody has said that all of those hours were
normal; so they only ever raise a threshold.

Q is the regularised upper incomplete gamma function: Q(n + 1, μ) is the probability that a Poisson variable
of mean μ is at most n. Alarms of a real camera come in bunches; φ, their variance over their mean in blocks
of ten minutes, with what neighbouring blocks share, counts a bunch as one.

A(v) is the automaton (`mnad.automaton`) that opens at v and closes below off(v) (`mnad.levels`). v runs over
the levels just above those at which A(v) changes on the calibration's evidence, so N*(v) is right at every v,
also where hours that are added later, or events that were called normal, set a threshold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mnad.automaton import Stretch
from mnad.levels import Levels, Recording, Step, stretches, watched
from mnad.poisson import poisson_bound, upper_gamma

BLOCK = 600.0
"""Seconds of a block in which alarms are counted for φ."""

LAGS = 3
"""Blocks later up to which alarms are taken to belong to one bunch."""

BLOCK_RATE = 6.0
"""Alarms per hour, about, at the level where φ is found: one a block."""


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What keeps a promised rate.

    Attributes:
        on, off: evidence that opens an alarm, and below which it closes.
        alarms_per_hour: the promise, λ.
        delta: δ, the risk that the promise is not kept; None where it is of the mean.
        expected, bound: R̂ and R⁺ at `on`, per hour; both R̂ where the promise is of the mean.
        hours: T.
        labelled: events called normal among the alarms that it answers for.
    """

    on: float
    off: float
    alarms_per_hour: float
    delta: float | None
    expected: float
    bound: float
    hours: float
    labelled: int = 0


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """What a calibration cannot promise.

    Attributes:
        alarms_per_hour: what was asked for, λ.
        delta: δ; None where the promise is of the mean.
        hours: T, what there is.
        hours_needed: T of video like this that would carry λ.
        carried: the fewest alarms per hour that T hours carry.
    """

    alarms_per_hour: float
    delta: float | None
    hours: float
    hours_needed: float
    carried: float


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What is kept of hours of normal video, enough to answer for any rate without the video.

    Attributes:
        hours: T, in which an alarm could have come.
        levels: what closes an alarm.
        peaks: descending; N*(v) = how many are >= v. They are peaks of the evidence, but for levels where
            hysteresis and cooldown make one alarm of several, or several of one.
        block_level: evidence with about 6 alarms per hour, at which `blocks` are counted.
        blocks: alarms in each whole block of ten minutes.
        labelled: peaks of events outside these hours that a person has called normal, descending.
    """

    hours: float
    levels: Levels
    peaks: tuple[float, ...]
    block_level: float
    blocks: tuple[int, ...]
    labelled: tuple[float, ...] = ()

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> "Calibration":
        """From the evidence of normal video that was not trained on.

        Raises:
            ValueError: there is no time in which an alarm could have come.
        """
        levels = Levels.of(recordings)
        seconds = watched(recordings)[1]
        if not seconds > 0:
            raise ValueError("found no time in which an alarm could come, expected seconds of normal video")
        peaks = _alarm_peaks(recordings, levels)
        busy = peaks[int(BLOCK_RATE * seconds / 3600) :]  # at levels above the first of them alarms are rarer
        level = float(np.nextafter(busy[0], np.inf)) if len(busy) else levels.floor
        return cls(
            hours=seconds / 3600,
            levels=levels,
            peaks=tuple(peaks.tolist()),
            block_level=level,
            blocks=_blocks(recordings, levels, level),
        )

    def add(self, recordings: Sequence[Recording]) -> "Calibration":
        """With more hours, whose evidence is by the same standard; the levels that close alarms stay."""
        peaks = np.append(self.peaks, _alarm_peaks(recordings, self.levels))
        return replace(
            self,
            hours=self.hours + watched(recordings)[1] / 3600,
            peaks=tuple(np.sort(peaks)[::-1].tolist()),
            blocks=self.blocks + _blocks(recordings, self.levels, self.block_level),
        )

    @property
    def phi(self) -> float:
        """φ; 1 where it cannot be told.

        φ = max(1, (variance + max(0, 2 Σ (1 - l / 4) c_l)) / mean) of the alarms per block, with c_l for
        l = 1, 2, 3 their covariance with those of l blocks later, since bunches may outlast a block.
        """
        if len(self.blocks) < 2 or not any(self.blocks):
            return 1.0
        deviation = np.array(self.blocks) - np.mean(self.blocks)
        later = sum(
            2 * (1 - lag / (LAGS + 1)) * deviation[lag:] @ deviation[:-lag] / len(deviation)
            for lag in range(1, LAGS + 1)
        )
        return max(1.0, float((np.var(self.blocks, ddof=1) + max(0.0, later)) / np.mean(self.blocks)))

    def alarms(self, on: np.ndarray) -> np.ndarray:
        """N* of levels (V,): never more at a higher level. Below the floor it is that of the floor."""
        rising = self._falling[::-1]
        return len(rising) - np.searchsorted(rising, on)

    @property
    def _falling(self) -> np.ndarray:
        """All peaks that count, descending."""
        return np.sort(np.array(self.peaks + self.labelled, np.float64))[::-1]

    def rarity(self, evidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Hours (V,) in which normal video shows evidence (V,) once, and whether that is "more than T hours".

        Below the floor it is the rarity of the floor: "at most".
        """
        alarms = self.alarms(evidence)
        return self.hours / (alarms + 1), alarms == 0

    def bound(self, on: np.ndarray, delta: float) -> np.ndarray:
        """R⁺ of levels (V,), alarms per hour."""
        alarms, back = np.unique(self.alarms(on), return_inverse=True)
        bounds: np.ndarray = self.phi * poisson_bound(alarms / self.phi, delta) / self.hours
        return bounds[back]

    def frequent(self, delta: float = 0.01) -> Threshold:
        """The threshold at `block_level`, whose alarms drift is told by (`mnad.drift`).

        Alarms at a promised rate are too few: of one per hour, four times as many are no sign within hours.
        Its rate is R⁺ with the confidence that drift asks for. Events called normal are none of its alarms:
        they come without the hours in which they happened, and would hide that there are more of them now.
        """
        alone = replace(self, labelled=())
        on = np.array([self.block_level])
        bound = float(alone.bound(on, delta)[0])
        return alone._threshold(on, alarms_per_hour=bound, delta=delta, bound=bound)

    def threshold(self, alarms_per_hour: float, delta: float | None = 0.1) -> Threshold | Refusal:
        """The lowest threshold that keeps a rate with confidence 1 - δ, or what is missing for one.

        Args:
            alarms_per_hour: λ, above 0.
            delta: δ in (0, 1); None for a rate that is kept in the mean (R̂ <= λ) only.

        Raises:
            ValueError: λ or δ is out of range.
        """
        if not 0 < alarms_per_hour < math.inf:
            raise ValueError(f"found {alarms_per_hour} alarms per hour, expected a number above 0")
        if delta is not None and not 0 < delta < 1:
            raise ValueError(f"found δ = {delta}, expected one above 0 and below 1")
        alarm_hours = 1.0 if delta is None else -self.phi * math.log(delta)
        if alarm_hours / self.hours > alarms_per_hour:
            return Refusal(
                alarms_per_hour=alarms_per_hour,
                delta=delta,
                hours=self.hours,
                hours_needed=alarm_hours / alarms_per_hour,
                carried=alarm_hours / self.hours,
            )
        candidates = np.append(np.nextafter(self._falling, np.inf), self.levels.floor)
        alarms = self.alarms(candidates)
        if delta is None:
            kept = (alarms + 1) / self.hours <= alarms_per_hour
        else:  # R⁺ <= λ, without a search for μ
            kept = upper_gamma(alarms / self.phi + 1, alarms_per_hour * self.hours / self.phi) <= delta
        # Without an alarm in T hours it is kept: what is not has been refused above, but for rounding.
        on = candidates[kept | (alarms == 0)][-1:]
        bound = self._expected(on) if delta is None else float(self.bound(on, delta)[0])
        return self._threshold(on, alarms_per_hour=alarms_per_hour, delta=delta, bound=bound)

    def _expected(self, on: np.ndarray) -> float:
        """R̂ of one level (1,)."""
        return float((self.alarms(on)[0] + 1) / self.hours)

    def _threshold(
        self, on: np.ndarray, *, alarms_per_hour: float, delta: float | None, bound: float
    ) -> Threshold:
        return Threshold(
            on=float(on[0]),
            off=float(self.levels.off(on)[0]),
            alarms_per_hour=alarms_per_hour,
            delta=delta,
            expected=self._expected(on),
            bound=bound,
            hours=self.hours,
            labelled=len(self.labelled),
        )


def _alarm_peaks(recordings: Sequence[Recording], levels: Levels) -> np.ndarray:
    """`Calibration.peaks` of some recordings: each level as often as N* grows when v falls to it."""
    steps = [*levels.steps()]
    counted = [_counts(stretch, steps) for stretch in stretches(recordings, levels.floor)]
    heights = np.unique(np.concatenate([np.empty(0), *(heights for heights, _ in counted)]))
    alarms = np.zeros(len(heights), np.int64)
    for own, found in counted:
        alarms += found[np.searchsorted(own, heights, side="right") - 1]
    most = np.maximum.accumulate(alarms[::-1])
    return np.repeat(heights[:0:-1], np.diff(most))


def _counts(stretch: Stretch, steps: Sequence[Step]) -> tuple[np.ndarray, np.ndarray]:
    """Levels (V,), ascending from -inf, and the alarms (V,) of A(v) with v just above each."""
    parts = [stretch.counts(*step) for step in reversed(steps)]
    return np.concatenate([low for low, _ in parts]), np.concatenate([alarms for _, alarms in parts])


def _blocks(recordings: Sequence[Recording], levels: Levels, on: float) -> tuple[int, ...]:
    """Alarms of A(on) in each whole block of the time that was watched."""
    passed, seconds = watched(recordings)
    off = float(levels.off(np.array([on]))[0])
    alarms = [stretch.alarms(on, off) for stretch in stretches(recordings, levels.floor)]
    at = np.concatenate([np.empty(0), *(time[some] for time, some in zip(passed, alarms, strict=True))])
    count = int(seconds // BLOCK)
    return tuple(np.bincount((at // BLOCK).astype(np.int64), minlength=count)[:count].tolist())
