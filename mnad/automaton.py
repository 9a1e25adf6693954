"""The alarm automaton: evidence frame by frame in, alarms out; the same for calibration, files and cameras.

    opens    at evidence >= on
    closes   once evidence has been below off for 2 s (`HOLD`), counted from the first frame below
    reopens  the same alarm where it opens again within 30 s (`COOLDOWN`) of a close

`Automaton` takes frames as they come. `Stretch` finds the same alarms of many automata in a recording that is
there as a whole, from its high frames alone.

Dimension letters: F frames, R frames that are records of their runs, V levels.
"""

import bisect
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

HOLD = 2.0
"""Seconds of low evidence that close an alarm."""

COOLDOWN = 30.0
"""Seconds after a close within which an opening goes on with the same alarm."""

Change = Literal["raised", "reopened", "closed"]


class Automaton:
    """One camera's alarm.

    Args:
        on: evidence that opens it.
        off: evidence below which it closes, at most `on`.

    Attributes:
        open: whether it is open after the last frame.
        alarms: how many it has raised; reopening is no new one.

    Raises:
        ValueError: `off` is above `on`, or one is no number.
    """

    def __init__(self, on: float, off: float) -> None:
        self.move(on, off)
        self._seconds = self._closed = -math.inf
        self._low: float | None = None
        self.open = False
        self.alarms = 0

    def move(self, on: float, off: float) -> None:
        """Take other levels from the next frame on.

        Raises:
            ValueError: as the class.
        """
        if not off <= on:
            raise ValueError(
                f"found closing level {off} and opening level {on}, expected the first at most the second"
            )
        self._on, self._off = on, off

    def push(self, seconds: float, evidence: float) -> Change | None:
        """Take the next frame and say what changed, if anything.

        Args:
            seconds: its time, later than that of the frame before.
            evidence: -inf where no alarm may come from it.

        Raises:
            ValueError: time does not go on, or evidence is NaN.
        """
        if not self._seconds < seconds < math.inf:
            raise ValueError(
                f"found a frame at {seconds} s after one at {self._seconds} s, expected a later one"
            )
        if math.isnan(evidence):
            raise ValueError(f"found evidence that is no number at {seconds} s, expected a value or -inf")
        self._seconds = seconds
        if not self.open:
            if evidence < self._on:
                return None
            self.open, self._low = True, None
            if seconds <= self._closed + COOLDOWN:
                return "reopened"
            self.alarms += 1
            return "raised"
        if evidence >= self._off:
            self._low = None
        elif self._low is None:
            self._low = seconds
        elif seconds >= self._low + HOLD:
            self.open, self._closed = False, seconds
            return "closed"
        return None

    def cut(self) -> None:
        """Close the alarm and end its cooldown, for no frame comes any more: what opens is another one."""
        self.open, self._low, self._closed = False, None, -math.inf


@dataclass(frozen=True, kw_only=True)
class _Runs:
    """High frames in runs: within one, an alarm that is open stays open, and after it, it closes.

    Only a frame that is higher than all before it in its run can be the first at or above a level.

    Attributes:
        record: (R,) which of a stretch's frames are high, that is, at least `off`, and such.
        number: (R,) of the run that each is in.
        last: for each run, which of the stretch's frames is its last.
    """

    record: np.ndarray
    number: np.ndarray
    last: np.ndarray


class Stretch:
    """The frames of one recording whose evidence is at least a floor, ready for many automata.

    Frames below the floor are below every `off`, so all that counts of them is when an alarm would close.

    Args:
        seconds: (F,) growing.
        evidence: (F,), -inf where no alarm may come from a frame.
        floor: the lowest `off` that will be asked for.

    Raises:
        ValueError: as `Automaton.push`.
    """

    def __init__(self, seconds: np.ndarray, evidence: np.ndarray, floor: float) -> None:
        check(seconds, evidence)
        self._floor = floor
        self._frames = np.flatnonzero(evidence >= floor)
        self._seconds, self._evidence = seconds[self._frames], evidence[self._frames]
        # Were a frame the last high one, evidence would be low from the next on, and close at frame `_close`.
        ended = np.append(seconds, np.inf)
        self._close = np.searchsorted(seconds, ended[self._frames + 1] + HOLD)
        self._closed = ended[self._close]
        self._rank = np.unique(self._evidence, return_inverse=True)[1].astype(np.int64)

    def alarms(self, on: float, off: float) -> np.ndarray:
        """Indices, among the frames of the recording, of those at which A(on, off) raises an alarm.

        Raises:
            ValueError: `off` is above `on` or below the floor.
        """
        return self._alarms(on, off, self._runs(off))

    def counts(self, off: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
        """How many alarms all automata raise that close at `off`, and open above `low` and up to `high`.

        Returns:
            Levels (V,), ascending from `low` on, and the alarms (V,) int64 of automata that open just above
            each: up to the next of them, all raise the same.

        Raises:
            ValueError: as `alarms`.
        """
        self._check(off, off)
        runs = self._runs(off)
        heights, seconds = self._evidence[runs.record], self._seconds[runs.record]
        walk = _Walk(self._closed[runs.last] + COOLDOWN)
        opened = np.flatnonzero(heights > high)
        opened = opened[_firsts(runs.number[opened])]
        for number, second in zip(runs.number[opened].tolist(), seconds[opened].tolist(), strict=True):
            walk.open(number, second)
        events = np.flatnonzero((low < heights) & (heights <= high))
        events = events[np.argsort(-heights[events], kind="stable")]
        found: list[float] = []
        alarms: list[int] = []
        for height, number, second in zip(
            heights[events].tolist(), runs.number[events].tolist(), seconds[events].tolist(), strict=True
        ):
            if not found or height < found[-1]:
                found.append(height)
                alarms.append(walk.alarms)
            walk.open(number, second)
        return np.array([low, *found[::-1]]), np.array([walk.alarms, *alarms[::-1]], np.int64)

    def _runs(self, off: float) -> "_Runs":
        high = np.flatnonzero(self._evidence >= off)
        closes = self._frames[high[1:]] > self._close[high[:-1]]
        number = np.append(0, np.cumsum(closes))[: len(high)]
        place = self._rank[high] + number * len(self._rank)  # above all of the runs before
        is_record = _beginning(place[1:] > np.maximum.accumulate(place)[:-1], len(place))
        last = high[np.append(np.flatnonzero(closes), -1)] if len(high) else high
        return _Runs(record=high[is_record], number=number[is_record], last=last)

    def _alarms(self, on: float, off: float, runs: "_Runs") -> np.ndarray:
        self._check(on, off)
        opening = np.flatnonzero(self._evidence[runs.record] >= on)
        opening = opening[_firsts(runs.number[opening])]
        closed = self._closed[runs.last[runs.number[opening]]]
        opening = runs.record[opening]
        opened = self._seconds[opening]
        raised = _beginning(opened[1:] > closed[:-1] + COOLDOWN, len(opened))
        alarms: np.ndarray = self._frames[opening[raised]]
        return alarms

    def _check(self, on: float, off: float) -> None:
        if not self._floor <= off <= on:
            raise ValueError(f"found levels {off} and {on}, expected {self._floor} <= closing <= opening")

    def peaks(self) -> np.ndarray:
        """Evidence (descending) of the frames that have no higher peak within `HOLD + COOLDOWN` seconds.

        About as many as alarms that an automaton without hysteresis raises over each level.
        """
        reach = HOLD + COOLDOWN
        first = np.searchsorted(self._seconds, self._seconds - reach).tolist()
        after = np.searchsorted(self._seconds, self._seconds + reach, side="right").tolist()
        order = np.argsort(-self._evidence, kind="stable").tolist()
        taken = bytearray(len(order))
        peaks = []
        for frame in order:
            if not taken[frame]:
                peaks.append(frame)
                taken[first[frame] : after[frame]] = b"\1" * (after[frame] - first[frame])
        heights: np.ndarray = self._evidence[peaks]
        return heights


class _Walk:
    """The number of alarms while the level that opens falls: more runs have a frame that opens, or an earlier
    one. Whether a run raises an alarm depends on the one before alone that has any.

    Args:
        ends: (runs,) seconds up to which an opening goes on with the alarm of each.
    """

    def __init__(self, ends: np.ndarray) -> None:
        self._ends = ends.tolist()
        self._runs: list[int] = []
        self._opened: dict[int, float] = {}
        self.alarms = 0

    def open(self, run: int, seconds: float) -> None:
        """A run opens now, or earlier than it did."""
        place = bisect.bisect_left(self._runs, run)
        if run in self._opened:
            self.alarms -= self._raises(place)
            self._opened[run] = seconds
            self.alarms += self._raises(place)
        else:
            self.alarms -= self._raises(place)  # the next one, whose run before is another from now on
            self._runs.insert(place, run)
            self._opened[run] = seconds
            self.alarms += self._raises(place) + self._raises(place + 1)

    def _raises(self, place: int) -> bool:
        """Whether one of the runs that open raises an alarm; none behind the last does."""
        if place >= len(self._runs):
            return False
        return place == 0 or self._opened[self._runs[place]] > self._ends[self._runs[place - 1]]


def _firsts(number: np.ndarray) -> np.ndarray:
    """Which of some frames, given the run of each, are the first of their runs."""
    return _beginning(number[1:] > number[:-1], len(number))


def _beginning(later: np.ndarray, length: int) -> np.ndarray:
    """Which of so many elements begin something: the first, and each where `later` says so of the others."""
    begins = np.ones(length, bool)
    begins[1:] = later
    return begins


def check(seconds: np.ndarray, evidence: np.ndarray) -> None:
    """Refuse a recording whose time does not go on or whose evidence is NaN.

    Raises:
        ValueError: it is so.
    """
    if seconds.shape != evidence.shape or not np.isfinite(seconds).all() or not (np.diff(seconds) > 0).all():
        raise ValueError("found times that do not grow, expected one later time per frame")
    if np.isnan(evidence).any():
        raise ValueError("found evidence that is no number, expected values or -inf")
