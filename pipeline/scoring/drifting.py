"""Whether a camera still sees what its calibration saw: what is counted of video, and what it says.

Counts of several videos add up, so that short ones tell something together. `mnad.drift` has the arithmetic.
"""

import functools
import operator
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mnad.automaton import Automaton
from mnad.drift import SHARES, TOO_MANY, Verdict, excess
from pipeline.runs.calibration import CalibrationRecord
from pipeline.runs.promises import duration

_DO = {"ok": "", "watch": "", "recalibrate": "; run calibrate on video of now"}
MINUTE = 60.0
HOUR = 60
"""Minutes of which the shares of time are taken."""


@dataclass(frozen=True, kw_only=True)
class Minute:
    """Frames of a minute in which an alarm could have come.

    Attributes:
        frames: all.
        above: those above each of the three levels of the calibration.
    """

    frames: int
    above: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is kept of video to tell drift by.

    Attributes:
        hours: in which an alarm could have come.
        alarms: at the level with which the calibration had about as many as it has blocks.
        minutes: the last ones, `HOUR` at the most.
    """

    hours: float = 0.0
    alarms: int = 0
    minutes: tuple[Minute, ...] = ()

    def __add__(self, later: "Seen") -> "Seen":
        return Seen(
            hours=self.hours + later.hours,
            alarms=self.alarms + later.alarms,
            minutes=(self.minutes + later.minutes)[-HOUR:],
        )


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How video compares with the calibration. Thresholds never move by it.

    Attributes:
        verdict: None where there is too little video to tell: less than an hour, and no excess of alarms.
        seen_hours, alarms: t and N.
        excess: W of `mnad.drift`; from 100 on there are more alarms than calibrated.
        shares: of the last hour, above the levels that 50, 90 and 99 % of the calibration's time are below;
            None of less than an hour.
        words: what that means; empty where there is too little video to tell.
    """

    verdict: Verdict | None
    seen_hours: float
    alarms: int
    excess: float
    shares: tuple[float, ...] | None
    words: str


class Counter:
    """Counts one video, frame by frame.

    Args:
        record: the calibration.
    """

    def __init__(self, record: CalibrationRecord) -> None:
        often = record.calibration.frequent()
        self._automaton = Automaton(often.on, often.off)
        self._levels = np.array(record.usual.levels)
        self._seconds: float | None = None
        self._passed = 0.0
        self._frames, self._above = 0, np.zeros(len(SHARES), np.int64)
        self._minutes: deque[Minute] = deque(maxlen=HOUR)

    def push(self, seconds: float, evidence: float) -> None:
        """Take the next frame; evidence is -inf where no alarm may come from it."""
        before, self._seconds = self._seconds, seconds
        self._automaton.push(seconds, evidence)
        if evidence == -np.inf:
            return
        minute = self._passed // MINUTE
        self._passed += 0.0 if before is None else seconds - before
        if self._passed // MINUTE > minute:
            self._minutes.append(Minute(frames=self._frames, above=tuple(self._above.tolist())))
            self._frames, self._above = 0, np.zeros(len(SHARES), np.int64)
        self._frames += 1
        self._above += evidence > self._levels

    @property
    def seen(self) -> Seen:
        """What has been counted so far."""
        return Seen(hours=self._passed / 3600, alarms=self._automaton.alarms, minutes=tuple(self._minutes))


def together(some: Iterable[Seen]) -> Seen:
    """What several videos have shown, in their order."""
    return functools.reduce(operator.add, some, Seen())


def drift(record: CalibrationRecord, seen: Seen) -> Drift:
    """What was seen, held against the calibration."""
    wealth = float(excess(record.calibration, np.array([seen.alarms]), np.array([seen.hours]))[0])
    shares = None
    if len(seen.minutes) == HOUR:
        frames = sum(minute.frames for minute in seen.minutes)
        above = np.sum([minute.above for minute in seen.minutes], axis=0)
        shares = tuple((above / max(1, frames)).tolist())
    verdict: Verdict | None = None
    if shares is not None:
        verdict = record.usual.verdict(np.array(shares), wealth)
    elif wealth >= TOO_MANY:
        verdict = "recalibrate"
    return Drift(
        verdict=verdict,
        seen_hours=seen.hours,
        alarms=seen.alarms,
        excess=wealth,
        shares=shares,
        words="" if verdict is None else f"{verdict}: {_reason(record, seen, wealth, shares)}{_DO[verdict]}",
    )


def _reason(record: CalibrationRecord, seen: Seen, wealth: float, shares: tuple[float, ...] | None) -> str:
    usual = record.usual
    if wealth >= TOO_MANY:
        bound = record.calibration.frequent().bound
        return (
            f"more alarms than calibrated, {seen.alarms} in {duration(seen.hours)} at a level that has at "
            f"most {bound:.2g} per hour"
        )
    if usual.hours < 2 or shares is None:
        return "no more alarms than calibrated; a calibration of two whole hours would tell more"
    beyond = [
        f"in the last hour {100 * share:.1f} % of the time was above the {100 * quantile:.0f} % level of the "
        f"calibration, whose hours had {100 * low:.1f} to {100 * high:.1f} %"
        for share, quantile, low, high in zip(shares, SHARES, usual.lowest, usual.highest, strict=True)
        if not low <= share <= high
    ]
    return "; ".join(beyond) or "the last hour is like those of the calibration"
