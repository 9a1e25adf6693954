"""From opening to closing levels, and the time in which an alarm could have come."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnad.levels import Levels, Recording, watched


def noise(seed: int, frames: int = 4000) -> Recording:
    return Recording(np.arange(frames) / 2, np.random.default_rng(seed).normal(size=frames))


@given(
    st.lists(st.integers(0, 400).map(lambda n: n / 8), max_size=60),
    st.lists(st.integers(-8, 408).map(lambda n: n / 8), min_size=1, max_size=20),
)
def test_an_alarm_closes_at_four_times_the_rate_but_not_below_the_floor(
    peaks: list[float], opening: list[float]
) -> None:
    levels = Levels(floor=0.0, peaks=tuple(sorted(peaks, reverse=True)))
    on = np.sort(opening)
    off = levels.off(on)
    assert (off <= on).all()
    assert (np.diff(off) >= 0).all()
    for opens, closes in zip(on, off, strict=True):
        rarer = sum(peak >= opens for peak in peaks)
        if opens >= 0:
            assert closes >= 0
        if 0 < closes < opens:
            assert sum(peak > closes for peak in peaks) < 4 * (rarer + 1) - 1
            assert sum(peak >= closes for peak in peaks) >= 4 * (rarer + 1) - 1


@given(st.lists(st.integers(1, 40), max_size=30))
def test_steps_are_the_closing_levels_of_all_opening_levels(peaks: list[int]) -> None:
    levels = Levels(floor=0.5, peaks=tuple(sorted(map(float, peaks), reverse=True)))
    steps = [*levels.steps()]
    assert [steps[0].high, steps[-1].low] == [math.inf, -math.inf]
    assert all(above.low == below.high for above, below in itertools.pairwise(steps))
    for on in np.arange(0.5, 42, 0.5).tolist():
        (step,) = (step for step in steps if step.low < on <= step.high)
        assert step.off == levels.off(np.array([on]))[0]


def test_the_floor_has_95_percent_of_the_time_of_all_recordings_below_it() -> None:
    first, second = noise(0), noise(1)
    levels = Levels.of([first, second])
    assert (np.append(first.evidence, second.evidence) < levels.floor).mean() == pytest.approx(0.95, abs=1e-3)
    assert levels.peaks[0] == max(first.evidence.max(), second.evidence.max())
    assert min(levels.peaks) >= levels.floor


@given(st.integers(0, 99), st.integers(1, 3999))
def test_time_in_which_no_alarm_may_come_is_not_watched(seed: int, cut: int) -> None:
    whole = noise(seed)
    evidence = whole.evidence.copy()
    evidence[cut] = -math.inf
    passed, seconds = watched([Recording(whole.seconds, evidence), whole])
    assert seconds == pytest.approx(2 * 1999.5 - 0.5)
    assert [len(part) for part in passed] == [4000, 4000]
    joined = np.concatenate(passed)
    assert joined[0] == 0 and joined[-1] == seconds and (np.diff(joined) >= 0).all()
    assert joined[cut] == joined[cut - 1]


def test_frames_of_which_none_has_settled_have_no_levels() -> None:
    with pytest.raises(ValueError, match="found no frame of normal video that has settled"):
        Levels.of([Recording(np.arange(3.0), np.full(3, -math.inf)), Recording(np.empty(0), np.empty(0))])


@pytest.mark.parametrize(
    ("seconds", "evidence"), [([0.0, 0.0], [1.0, 1.0]), ([0.0, 1.0], [1.0, math.nan]), ([0.0], [1.0, 2.0])]
)
def test_a_recording_that_is_no_series_is_refused(seconds: list[float], evidence: list[float]) -> None:
    with pytest.raises(ValueError, match="found"):
        Recording(np.array(seconds), np.array(evidence))
