"""What a calibration answers, against the formulas and the automaton."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from mnad.automaton import Automaton
from mnad.levels import Levels, Recording
from mnad.rates import Calibration, Refusal, Threshold

HZ = 2


def recording(seed: int, hours: float = 0.5) -> Recording:
    """Noise that remembers a second, in which some frames may raise no alarm."""
    rng = np.random.default_rng(seed)
    frames = int(hours * 3600 * HZ)
    white = rng.normal(size=frames + 3)
    evidence = white[3:] + white[2:-1] + white[1:-2] + white[:-3]
    return Recording(np.arange(frames) / HZ, np.where(rng.random(frames) < 0.01, -np.inf, evidence))


def alarms(found: Recording, on: float, off: float) -> int:
    automaton = Automaton(on, off)
    for frame in zip(found.seconds.tolist(), found.evidence.tolist(), strict=True):
        automaton.push(*frame)
    return automaton.alarms


def kept(peaks: tuple[float, ...], hours: float, blocks: tuple[int, ...] = ()) -> Calibration:
    """A calibration whose every peak is an alarm."""
    falling = tuple(sorted(peaks, reverse=True))
    return Calibration(
        hours=hours, levels=Levels(floor=0.0, peaks=falling), peaks=falling, block_level=0.0, blocks=blocks
    )


calibrations = st.builds(
    kept,
    st.lists(st.integers(1, 400).map(lambda n: n / 8), max_size=60).map(tuple),
    st.floats(0.1, 30),
    st.lists(st.integers(0, 9), max_size=20).map(tuple),
)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99))
def test_alarms_are_the_most_that_an_automaton_raises_at_this_or_a_higher_level(seed: int) -> None:
    found = [recording(seed, 0.2), recording(seed + 100, 0.1)]
    calibration = Calibration.of(found)
    on = every_level(found, calibration.levels.floor)
    assert calibration.alarms(on).tolist() == most_alarms(found, calibration.levels, on).tolist()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 99), st.integers(2, 5))
def test_whoever_adds_hours_bit_by_bit_counts_no_fewer_alarms_at_any_level(seed: int, count: int) -> None:
    found = [recording(seed + 100 * number, 0.1) for number in range(count)]
    calibration = Calibration.of(found[:1])
    for each in found[1:]:
        calibration = calibration.add([each])
    on = every_level(found, calibration.levels.floor)
    assert (calibration.alarms(on) >= most_alarms(found, calibration.levels, on)).all()


def every_level(found: list[Recording], floor: float) -> np.ndarray:
    """All levels at which the alarms could change, and one between each two, descending."""
    seen = np.unique(np.concatenate([one.evidence[one.evidence >= floor] for one in found]))
    between = (seen[1:] + seen[:-1]) / 2
    return np.sort(np.concatenate([[floor], between, np.nextafter(seen, np.inf)]))[::-1]


def most_alarms(found: list[Recording], levels: Levels, on: np.ndarray) -> np.ndarray:
    """Of the automata with descending levels, those of one frame after the other, the most up to each."""
    pairs = [*zip(on.tolist(), levels.off(on).tolist(), strict=True)]
    return np.maximum.accumulate([sum(alarms(one, *pair) for one in found) for pair in pairs])


@given(calibrations, st.lists(st.integers(-8, 408).map(lambda n: n / 8), min_size=2, max_size=20))
def test_higher_levels_have_no_more_alarms_and_are_rarer(
    calibration: Calibration, levels: list[float]
) -> None:
    on = np.sort(levels)
    assert (np.diff(calibration.alarms(on)) <= 0).all()
    assert (np.diff(calibration.bound(on, 0.1)) <= 0).all()
    rarity, censored = calibration.rarity(on)
    assert (np.diff(rarity) >= 0).all()
    assert (rarity <= calibration.hours).all()
    np.testing.assert_array_equal(rarity == calibration.hours, censored)
    np.testing.assert_array_equal(censored, on > max(calibration.peaks, default=-math.inf))


@given(calibrations, st.sampled_from([0.3, 0.1, 0.05, 0.001]))
def test_the_bound_is_the_formula_and_above_what_is_expected(calibration: Calibration, delta: float) -> None:
    on = np.arange(0, 51, 0.5)
    phi, count = calibration.phi, calibration.alarms(on)
    expected = phi * chi2.isf(delta, 2 * (count / phi + 1)) / 2 / calibration.hours
    bound = calibration.bound(on, delta)
    np.testing.assert_allclose(bound, expected, rtol=1e-8)
    assert (bound > (count + 1) / calibration.hours).all()


@given(
    calibrations,
    st.floats(0.01, 400),
    st.sampled_from([0.3, 0.1, 0.05, None]),
    st.sampled_from([1.0, 1.5, 4.0]),
)
def test_a_threshold_is_the_lowest_that_keeps_the_rate_and_refusal_is_by_the_formula(
    calibration: Calibration, rate: float, delta: float | None, more: float
) -> None:
    needed = 1.0 if delta is None else -calibration.phi * math.log(delta)
    answer = calibration.threshold(rate, delta)
    assert isinstance(answer, Refusal) == (needed / calibration.hours > rate)
    if isinstance(answer, Refusal):
        assert answer.carried == needed / calibration.hours > rate
        assert answer.hours_needed == pytest.approx(needed / rate) and answer.hours_needed > answer.hours
        assert isinstance(calibration.threshold(answer.carried, delta), Threshold)
        enough = replace(calibration, hours=answer.hours_needed * (1 + 1e-12))
        assert isinstance(enough.threshold(rate, delta), Threshold)
        return
    assert answer.bound <= rate * (1 + 1e-12) and answer.expected <= answer.bound
    assert answer.off == calibration.levels.off(np.array([answer.on]))[0] <= answer.on
    lower = np.array([answer.on * (1 - 1e-9)])  # at or below the next peak
    if answer.on > calibration.levels.floor:
        if delta is None:
            assert (calibration.alarms(lower)[0] + 1) / calibration.hours > rate
        else:
            assert calibration.bound(lower, delta)[0] > rate * (1 - 1e-12)
    easier = calibration.threshold(rate * more, delta)
    assert isinstance(easier, Threshold) and easier.on <= answer.on


@given(calibrations, st.floats(0.01, 400))
def test_more_confidence_never_lowers_a_threshold(calibration: Calibration, rate: float) -> None:
    answers = [calibration.threshold(rate, delta) for delta in (None, 0.3, 0.1, 0.01)]
    found = [math.inf if isinstance(one, Refusal) else one.on for one in answers]
    assert found == sorted(found)


def test_hours_that_are_missing() -> None:
    blocks = (0, 3, 0, 1, 0, 3, 0, 1, 0, 3, 0, 1, 0, 3, 0, 1, 0, 3)  # 18 of ten minutes: 3 hours
    calibration = kept((5.0, 4.0), 3.0, blocks)
    phi = np.var(blocks, ddof=1) / np.mean(blocks)  # their covariances add up to less than nothing
    answer = calibration.threshold(1.0)
    assert isinstance(answer, Refusal)
    assert answer.hours_needed == pytest.approx(math.log(10) * phi)
    assert answer.carried == pytest.approx(math.log(10) * phi / 3)
    found = kept((5.0, 4.0), 2.31).threshold(1.0)
    assert isinstance(found, Threshold)
    assert (found.on, found.off, found.hours) == (math.nextafter(5, 6), 0.0, 2.31)
    assert (found.alarms_per_hour, found.delta, found.expected) == (1.0, 0.1, 1 / 2.31)
    assert found.bound == pytest.approx(math.log(10) / 2.31)
    assert isinstance(kept((5.0, 4.0), 2.30).threshold(1.0), Refusal)
    mean = kept((5.0, 4.0), 2.30).threshold(1.0, None)
    assert isinstance(mean, Threshold) and mean.on == math.nextafter(4, 5)


@pytest.mark.parametrize(
    ("blocks", "phi"),
    [
        ((), 1),
        ((5,), 1),
        ((0, 0), 1),
        ((1, 1, 1), 1),
        ((0, 4), 4),
        ((2, 0, 0, 0), 2),
        ((4, 4, 0, 0), 16 / 3 / 2),  # covariances 1, -2, -1: together less than nothing
        ((6,) * 4 + (0,) * 8, (96 / 11 + 2 * (0.75 * 68 + 0.5 * 40 + 0.25 * 12) / 12) / 2),
    ],
)
def test_phi_is_variance_over_mean_of_blocks_and_of_neighbours_and_at_least_1(
    blocks: tuple[int, ...], phi: float
) -> None:
    assert kept((1.0,), 1.0, blocks).phi == pytest.approx(phi)


def test_blocks_are_ten_minutes_of_watched_time_at_about_six_alarms_an_hour() -> None:
    found = recording(3, 5.1)
    calibration = Calibration.of([found])
    assert calibration.hours == pytest.approx(5.1 * 0.99, rel=0.01)
    assert len(calibration.blocks) == int(calibration.hours * 6)
    assert 5 <= calibration.alarms(np.array([calibration.block_level]))[0] / calibration.hours <= 6
    off = calibration.levels.off(np.array([calibration.block_level]))[0]
    assert (
        sum(calibration.blocks) <= alarms(found, calibration.block_level, off) <= sum(calibration.blocks) + 3
    )


@given(st.integers(0, 99), st.integers(1, 3))
def test_hours_that_are_added_count_as_alarms_of_the_same_automata(seed: int, count: int) -> None:
    first = Calibration.of([recording(seed)])
    more = [recording(seed + 100 * (number + 1), 0.4) for number in range(count)]
    both = first.add(more)
    assert both.hours == pytest.approx(first.hours + 0.4 * 0.99 * count, rel=0.02)
    assert (both.levels, both.block_level) == (first.levels, first.block_level)
    assert both.blocks[: len(first.blocks)] == first.blocks
    assert len(both.blocks) == len(first.blocks) + int((both.hours - first.hours) * 6)
    own = {peak for peak in both.peaks if peak not in first.peaks}
    for on in np.nextafter(sorted(own)[::5], np.inf):
        off = float(first.levels.off(np.array([on]))[0])
        added = sum(alarms(one, on, off) for one in more)
        assert both.alarms(np.array([on]))[0] >= first.alarms(np.array([on]))[0] + added
    assert first.add([]) == first


def test_without_time_there_is_no_calibration() -> None:
    with pytest.raises(ValueError, match="found no time in which an alarm could come"):
        Calibration.of([Recording(np.zeros(1), np.ones(1))])


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="expected a number above 0"):
        kept((1.0,), 10.0).threshold(rate)


@pytest.mark.parametrize("delta", [0.0, 1.0, math.nan])
def test_a_risk_that_is_none_is_refused(delta: float) -> None:
    with pytest.raises(ValueError, match="expected one above 0 and below 1"):
        kept((1.0,), 10.0).threshold(1.0, delta)


@given(calibrations, st.lists(st.integers(1, 400).map(lambda n: n / 8), min_size=1, max_size=9))
def test_events_called_normal_count_up_to_their_peaks_and_lower_no_threshold(
    calibration: Calibration, peaks: list[float]
) -> None:
    more = replace(calibration, labelled=tuple(sorted(peaks, reverse=True)))
    on = np.array([0.0, *peaks, *np.nextafter(peaks, np.inf)])
    added = [sum(peak >= level for peak in peaks) for level in on]
    assert (more.alarms(on) - calibration.alarms(on)).tolist() == added
    assert more.frequent() == calibration.frequent()
    for rate, delta in ((0.5, 0.1), (3.0, 0.1), (20.0, None), (1e3, 0.1)):
        before, after = calibration.threshold(rate, delta), more.threshold(rate, delta)
        if isinstance(before, Refusal):
            assert after == before
            continue
        assert isinstance(after, Threshold)
        assert after.on >= before.on
        assert after.labelled == len(peaks)
        assert after.bound <= rate * (1 + 1e-9)


def test_a_rate_that_leaves_room_for_no_alarm_raises_none_of_what_was_called_normal() -> None:
    calibration = kept((3.0, 2.0, 1.0), hours=2.4)
    more = replace(calibration, labelled=(7.5, 2.5))
    after = more.threshold(1.0)
    assert isinstance(after, Threshold)
    assert after.on == np.nextafter(7.5, np.inf)
