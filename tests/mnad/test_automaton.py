"""The automaton against a plain reading of its rules, and whole stretches against the automaton."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnad.automaton import COOLDOWN, HOLD, Automaton, Change, Stretch

Series = tuple[np.ndarray, np.ndarray]


@st.composite
def series(draw: st.DrawFn, steps: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 7.25, 28.0, 30.0)) -> Series:
    """Irregular times, often exactly on a hold or cooldown, and evidence of few values; some of it -inf."""
    frames = draw(st.integers(0, 80))
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    taken = rng.choice(steps, frames, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05])
    evidence = np.round(rng.normal(0, 2, frames)) / draw(st.sampled_from([1.0, 4.0]))
    return np.cumsum(taken), np.where(rng.random(frames) < 0.05, -np.inf, evidence)


def reading(seconds: list[float], evidence: list[float], on: float, off: float) -> list[int]:
    """Frames at which alarms are raised: each event is walked through from its opening to its close."""
    alarms, frame, closed = [], 0, -math.inf
    while frame < len(seconds):
        if evidence[frame] < on:
            frame += 1
            continue
        if seconds[frame] - closed > COOLDOWN:
            alarms.append(frame)
        end = frame
        while end < len(seconds):
            end += 1
            # Closed at `end` if a row of low frames ends there that began at least HOLD before.
            first = end
            while first > frame and evidence[first - 1] < off:
                first -= 1
            if end < len(seconds) and evidence[end] < off and seconds[end] - seconds[first] >= HOLD:
                break
        closed = seconds[end] if end < len(seconds) else math.inf
        frame = end + 1
    return alarms


def pushed(found: Series, on: float, off: float) -> tuple[list[Change | None], Automaton]:
    automaton = Automaton(on, off)
    return [automaton.push(*frame) for frame in zip(*map(np.ndarray.tolist, found), strict=True)], automaton


levels = st.tuples(st.integers(-8, 12), st.integers(-8, 12)).map(lambda pair: (max(pair) / 4, min(pair) / 4))
"""on and off, on the values that evidence has and between them."""


@given(series(), st.integers(0, 80), levels)
def test_after_a_cut_it_knows_of_nothing_before(found: Series, after: int, pair: tuple[float, float]) -> None:
    seconds, evidence = found
    _, automaton = pushed((seconds[:after], evidence[:after]), *pair)
    automaton.cut()
    rest = list(zip(seconds[after:].tolist(), evidence[after:].tolist(), strict=True))
    assert not automaton.open
    fresh = Automaton(*pair)
    assert [automaton.push(*frame) for frame in rest] == [fresh.push(*frame) for frame in rest]


@given(series(), levels)
def test_it_does_what_its_rules_say(found: Series, pair: tuple[float, float]) -> None:
    changes, automaton = pushed(found, *pair)
    raised = [frame for frame, change in enumerate(changes) if change == "raised"]
    assert raised == reading(found[0].tolist(), found[1].tolist(), *pair)
    assert automaton.alarms == len(raised)
    opened = sum(change in ("raised", "reopened") for change in changes)
    assert automaton.open == (opened > changes.count("closed"))


@given(series() | series(steps=(0.1, 0.2, 0.3, 0.7, 2.1, 28.3, 30.1)), levels, st.integers(0, 8))
def test_a_stretch_raises_the_alarms_of_the_automaton(
    found: Series, pair: tuple[float, float], lower: int
) -> None:
    changes, _ = pushed(found, *pair)
    stretch = Stretch(*found, floor=pair[1] - lower / 4)
    assert stretch.alarms(*pair).tolist() == [i for i, change in enumerate(changes) if change == "raised"]


@given(series(), st.lists(levels, min_size=1, max_size=6), levels)
def test_automata_of_one_closing_level_are_counted_as_one_by_one(
    found: Series, pairs: list[tuple[float, float]], ends: tuple[float, float]
) -> None:
    off, (high, low) = min(off for _, off in pairs), ends
    heights, alarms = Stretch(*found, floor=-2.0).counts(off, low, high)
    assert heights[0] == low
    assert (np.diff(heights) > 0).all()
    for on, _ in pairs:
        if low < on <= high:
            counted = alarms[np.searchsorted(heights, on) - 1]
            assert counted == pushed(found, on, off)[1].alarms


@given(series())
def test_peaks_have_no_higher_peak_near_and_every_high_frame_has_one(found: Series) -> None:
    floor, reach = 0.0, HOLD + COOLDOWN
    peaks = Stretch(*found, floor=floor).peaks().tolist()
    assert peaks == sorted(peaks, reverse=True)
    chosen: list[tuple[float, float]] = []  # by looking at all frames for the highest that is left
    left = [(value, -frame) for frame, value in enumerate(found[1].tolist()) if value >= floor]
    while left:
        value, frame = max(left)
        chosen.append((found[0][-frame], value))
        left = [one for one in left if abs(found[0][-one[1]] - found[0][-frame]) > reach]
    assert peaks == [value for _, value in chosen]


def changes_of(evidence: list[float], step: float = 1.0) -> list[Change | None]:
    seconds = np.arange(len(evidence)) * step
    return pushed((seconds, np.array(evidence)), 2.0, 1.0)[0]


def test_it_opens_at_its_level_and_closes_two_seconds_after_the_first_low_frame() -> None:
    found = changes_of([1.9, 2.0, 1.0, 0.9, 1.0, 0.9, 0.9, 0.9, 0.9])
    assert found == [None, "raised", None, None, None, None, None, "closed", None]


@pytest.mark.parametrize(("low", "change"), [(32, "reopened"), (33, "raised")])
def test_an_opening_within_the_cooldown_is_the_same_alarm(low: int, change: Change) -> None:
    found = changes_of([2.0, *[0.0] * low, 2.0])  # closes at second 3, opens again at low + 1
    assert found[3] == "closed"
    assert found[-1] == change


def test_a_frame_that_may_raise_no_alarm_is_low() -> None:
    found = changes_of([-math.inf, 3.0, -math.inf, -math.inf, -math.inf, -math.inf])
    assert found == [None, "raised", None, None, "closed", None]


@pytest.mark.parametrize("off", [2.5, math.nan])
def test_a_closing_level_above_the_opening_one_is_refused(off: float) -> None:
    with pytest.raises(ValueError, match="opening level 2"):
        Automaton(2.0, off)
    with pytest.raises(ValueError, match=r"expected -1\.0 <= closing <= opening"):
        Stretch(np.arange(3.0), np.zeros(3), -1.0).alarms(2.0, off)


def test_a_closing_level_below_the_floor_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected -1\.0 <= closing <= opening"):
        Stretch(np.arange(3.0), np.zeros(3), -1.0).counts(-1.5, 0.0, 2.0)


@pytest.mark.parametrize(
    ("seconds", "evidence", "message"),
    [
        ([0.0, 0.0], [1.0, 1.0], "later"),
        ([1.0, 0.0], [1.0, 1.0], "later"),
        ([0.0, math.nan], [1.0, 1.0], "later"),
        ([0.0, 1.0], [1.0, math.nan], "no number"),
    ],
)
def test_frames_that_make_no_series_are_refused(
    seconds: list[float], evidence: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pushed((np.array(seconds), np.array(evidence)), 2.0, 1.0)
    with pytest.raises(ValueError, match=message):
        Stretch(np.array(seconds), np.array(evidence), 0.0)
