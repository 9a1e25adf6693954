"""From frame scores to rarity, alarms and events, one frame after another; nothing looks ahead.

    baseline = Baseline(standard, calibration, quantiles, threshold)
    watcher = Watcher(baseline)
    for moment in moments:
        watched = watcher.push(moment.frame, moment.seconds, moment.local, restart=moment.gap)
        if watched.is_over is not None: ...        # an event that cannot go on any more
    watcher.finish()                               # the event that the end of the video cuts off

The same code serves files and cameras, so both raise the same alarms on the same frames.
"""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np

from mnad.automaton import COOLDOWN, Automaton, Change
from mnad.evidence import CausalMean, Standard
from mnad.rates import Calibration, Threshold


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """What frames are held against. S is the number of signals of a frame, such as box sizes.

    Attributes:
        standard: of the S signals on normal video.
        calibration: from evidence to rarity; None where nothing is calibrated.
        quantiles: (Q,) evidence, ascending, below which 0, 1 / (Q - 1), ..., 1 of the calibration's time lie;
            empty where nothing is calibrated.
        threshold: what opens and closes an alarm; None where no alarm is to be raised.
    """

    standard: Standard
    calibration: Calibration | None = None
    quantiles: np.ndarray = dataclasses.field(default_factory=lambda: np.empty(0))
    threshold: Threshold | None = None

    @classmethod
    def uncalibrated(cls) -> "Baseline":
        """Evidence is one signal as it is, smoothed: the local error in dB."""
        return cls(standard=Standard(mean=np.zeros(1), deviation=np.ones(1)))

    @property
    def levels(self) -> tuple[float, float]:
        """What opens and closes an alarm; without a threshold nothing opens one, and everything closes it."""
        return (math.inf, math.inf) if self.threshold is None else (self.threshold.on, self.threshold.off)

    def rarity(self, evidence: float) -> tuple[float, bool]:
        """Hours in which normal video shows evidence once, and whether it is "more than"; NaN if unknown."""
        if self.calibration is None:
            return math.nan, False
        hours, censored = self.calibration.rarity(np.array([evidence]))
        return float(hours[0]), bool(censored[0])

    def share_above(self, evidence: float) -> float:
        """The share of the calibration's time whose evidence is higher; NaN if unknown."""
        if not len(self.quantiles):
            return math.nan
        return float(1 - np.interp(evidence, self.quantiles, np.linspace(0, 1, len(self.quantiles))))


@dataclass(frozen=True, kw_only=True)
class Top:
    """The strongest frame of an event.

    Attributes:
        frame: its number.
        seconds: its time.
        evidence, rarity_hours, is_censored: as in `Watched`.
    """

    frame: int
    seconds: float
    evidence: float
    rarity_hours: float
    is_censored: bool


@dataclass(frozen=True, kw_only=True)
class Episode:
    """An event as far as it is known.

    Attributes:
        number: of the event in its video, from 0.
        start: seconds of the frame that opened it.
        end: seconds of the frame that closed it, or of the last one; None while it is open.
        top: its strongest frame.
        frames: scored frames from its start on, up to its end.
        max_gap: the longest time in it without a scored frame, seconds.
    """

    number: int
    start: float
    end: float | None
    top: Top
    frames: int
    max_gap: float


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What a frame means.

    Attributes:
        evidence: in standard deviations of normal video; uncalibrated, the smoothed local error in dB.
        signal: index of the signal that gave it.
        is_settled: whether an alarm may come from the frame, see `mnad.evidence.SETTLING`.
        rarity_hours: normal video shows as much once in so many hours; NaN if not settled or calibrated.
        is_censored: whether it is rarer than that.
        share_above: of the calibration's time, whose evidence is higher; NaN as the rarity.
        alarm: whether an alarm is open.
        event: number of the event that the open alarm is of, or None.
        change: of the alarm by this frame.
        is_top: whether the frame is the strongest so far of the open event.
        is_over: the event that cannot be reopened any more, from this frame on.
    """

    evidence: float
    signal: int
    is_settled: bool
    rarity_hours: float
    is_censored: bool
    share_above: float
    alarm: bool
    event: int | None
    change: Change | None
    is_top: bool
    is_over: Episode | None


class Watcher:
    """Watches one video or camera."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._mean = CausalMean()
        self._automaton = Automaton(*baseline.levels)
        self._seconds = -math.inf
        self._count = 0
        self._episode: Episode | None = None
        self._frames = 0
        self._gap = 0.0

    @property
    def episode(self) -> Episode | None:
        """The event that is open, or that can still be reopened."""
        return self._episode

    def hold_against(self, baseline: Baseline) -> None:
        """Hold the frames from the next one on, which must be a restart, against something else."""
        self._baseline = baseline
        self._automaton.move(*baseline.levels)

    def push(self, frame: int, seconds: float, signals: np.ndarray, *, restart: bool = False) -> Watched:
        """Take the next frame.

        Args:
            frame: its number.
            seconds: its time, later than that of the frame before.
            signals: (S,), finite; of local errors dB.
            restart: whether the row of windows was broken before it.

        Raises:
            ValueError: time does not go on, or a signal is not finite.
        """
        if restart:
            self._mean.restart()
        means, is_settled = self._mean.push(seconds, signals)
        values, best = self._baseline.standard.evidence(means)
        evidence, signal = float(values), int(best)
        hours, is_censored = self._baseline.rarity(evidence) if is_settled else (math.nan, False)
        top = Top(
            frame=frame, seconds=seconds, evidence=evidence, rarity_hours=hours, is_censored=is_censored
        )
        change = self._automaton.push(seconds, evidence if is_settled else -math.inf)
        is_over = self._over(seconds, change)
        alarm = self._automaton.open
        is_top = self._follow(top, change, alarm and is_settled)
        self._seconds = seconds
        return Watched(
            evidence=evidence,
            signal=signal,
            is_settled=is_settled,
            rarity_hours=hours,
            is_censored=is_censored,
            share_above=self._baseline.share_above(evidence) if is_settled else math.nan,
            alarm=alarm,
            event=self._episode.number if alarm and self._episode is not None else None,
            change=change,
            is_top=is_top,
            is_over=is_over,
        )

    def cut(self) -> Episode | None:
        """The event that a break of the video ends, as `finish`; what opens an alarm next is another one."""
        self._automaton.cut()
        return self.finish()

    def finish(self) -> Episode | None:
        """The event that the end of the video ends: it was open, or could have been reopened."""
        episode, self._episode = self._episode, None
        if episode is None or episode.end is not None:
            return episode
        return dataclasses.replace(episode, end=self._seconds, frames=self._frames, max_gap=self._gap)

    def _over(self, seconds: float, change: Change | None) -> Episode | None:
        """The event whose cooldown has passed, which is then let go."""
        episode = self._episode
        if episode is None or episode.end is None or change == "reopened":
            return None
        if seconds <= episode.end + COOLDOWN:
            return None
        self._episode = None
        return episode

    def _follow(self, top: Top, change: Change | None, counts: bool) -> bool:
        """Bring the event up to the frame; whether that is its strongest.

        Frames between a close and a reopening lie in the event, too, and are known to only then.
        """
        if change == "raised":
            self._frames, self._gap = 1, 0.0
            self._episode = Episode(
                number=self._count, start=top.seconds, end=None, top=top, frames=1, max_gap=0.0
            )
            self._count += 1
            return True
        episode = self._episode
        if episode is None:
            return False
        self._frames += 1
        self._gap = max(self._gap, top.seconds - self._seconds)
        if episode.end is not None and change != "reopened":
            return False
        is_top = counts and top.evidence > episode.top.evidence
        self._episode = dataclasses.replace(
            episode,
            end=top.seconds if change == "closed" else None,
            top=top if is_top else episode.top,
            frames=self._frames,
            max_gap=self._gap,
        )
        return is_top
