"""Recordings of normal video, and from them the level that closes an alarm for each that opens it.

Dimension letters: F frames, V levels.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mnad.automaton import Stretch, check

FLOOR_SHARE = 0.95
"""The share of the calibration's time below the lowest level at which an alarm may close."""

HYSTERESIS = 4
"""How many times the rate of the opening level the closing level has."""


class Step(NamedTuple):
    """Opening levels above `low` and up to `high`, which all close at `off`."""

    off: float
    low: float
    high: float


@dataclass(frozen=True)
class Recording:
    """What one recording of normal video has shown.

    Attributes:
        seconds: (F,) growing.
        evidence: (F,) float64, -inf where no alarm may come from the frame (`mnad.evidence.alarming`).
    """

    seconds: np.ndarray
    evidence: np.ndarray

    def __post_init__(self) -> None:
        check(self.seconds, self.evidence)

    @property
    def settled(self) -> np.ndarray:
        """The evidence that alarms may come from."""
        settled: np.ndarray = self.evidence[self.evidence > -np.inf]
        return settled


def watched(recordings: Sequence[Recording]) -> tuple[list[np.ndarray], float]:
    """Seconds in which an alarm could have come, counted on from recording to recording.

    Returns:
        For each recording what has passed up to each frame (F,), where a frame that has settled stands for
        the time since the one before; and all there is.
    """
    passed, total = [], 0.0
    for recording in recordings:
        steps = np.diff(recording.seconds, prepend=recording.seconds[:1])
        passed.append(total + np.cumsum(np.where(recording.evidence > -np.inf, steps, 0.0)))
        total = float(passed[-1][-1]) if len(steps) else total
    return passed, total


@dataclass(frozen=True, kw_only=True)
class Levels:
    """From the level that opens an alarm to the one that closes it.

    Attributes:
        floor: no alarm closes below; 95 % of the calibration's time are.
        peaks: evidence of the calibration's peaks (`Stretch.peaks`), descending.
    """

    floor: float
    peaks: tuple[float, ...]

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> "Levels":
        """The levels of some recordings.

        Raises:
            ValueError: no alarm could come from any of their frames.
        """
        seen = np.concatenate([np.empty(0), *(recording.settled for recording in recordings)])
        if not len(seen):
            raise ValueError("found no frame of normal video that has settled, expected more than a second")
        floor = float(np.quantile(seen, FLOOR_SHARE))
        return cls(floor=floor, peaks=tuple(all_peaks(stretches(recordings, floor)).tolist()))

    def off(self, on: np.ndarray) -> np.ndarray:
        """The closing levels (V,) of opening levels (V,), each at least the floor.

        Peaks are as rare as alarms of an automaton without hysteresis, so with n of them at or above `on` its
        rate is (n + 1) / T, and the level with four times that rate has 4 n + 3 of them at or above it.
        """
        rising = np.array(self.peaks[::-1])
        above = len(rising) - np.searchsorted(rising, on)
        rank = np.minimum(HYSTERESIS * (above + 1) - 2, len(rising))
        closing: np.ndarray = np.minimum(np.append(self.peaks, self.floor)[rank], on)
        return closing

    def steps(self) -> Iterator[Step]:
        """All of them, from the highest closing level to the floor."""
        tops = np.unique(self.peaks)[::-1]
        high = math.inf
        for off, group in itertools.groupby(
            zip(self.off(np.nextafter(tops, np.inf)).tolist(), tops.tolist(), strict=True),
            lambda pair: pair[0],
        ):
            *_, (_, low) = group
            yield Step(off, low, high)
            high = low
        yield Step(self.floor, -math.inf, high)


def stretches(recordings: Sequence[Recording], floor: float) -> list[Stretch]:
    """Each recording's frames at or above a floor."""
    return [Stretch(recording.seconds, recording.evidence, floor) for recording in recordings]


def all_peaks(stretches: Sequence[Stretch]) -> np.ndarray:
    """The peaks of all recordings together, descending."""
    peaks = np.concatenate([np.empty(0), *(stretch.peaks() for stretch in stretches)])
    return np.sort(peaks)[::-1]
