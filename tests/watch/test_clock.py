"""The clock of a camera goes on whatever the camera says, and the frames are picked as `score` picks them."""

import itertools
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.video.timed import every
from pipeline.watch import clock as clocks
from pipeline.watch.clock import Clock, Grid


def test_within_a_connection_the_times_of_the_camera_count() -> None:
    clock = Clock()
    clock.begin(0.1)
    arrivals = [5.0, 5.31, 5.33, 5.34]
    stamps = [100.0, 100.1, 100.2, 100.3]
    found = [clock.seconds(stamp, at) for stamp, at in zip(stamps, arrivals, strict=True)]
    assert [seconds for seconds, _ in found] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert not any(is_broken for _, is_broken in found)


def test_a_first_frame_without_a_time_is_shown_one_frame_before_the_next() -> None:
    clock = Clock()
    clock.begin(0.5)
    found = [clock.seconds(stamp, at) for stamp, at in ((None, 9.0), (44.5, 9.1), (45.0, 9.2))]
    assert found == [(0.0, False), (0.5, False), (1.0, False)]


@pytest.mark.parametrize("stamp", [0.0, 99.0, 3700.0, None])
def test_over_a_break_and_a_leap_the_time_of_arrival_counts(stamp: float | None) -> None:
    clock = Clock()
    clock.begin(0.1)
    clock.seconds(100.0, 5.0)
    clock.seconds(100.1, 5.1)
    if stamp is None:  # another connection
        clock.begin(0.1)
        stamp = 100.2
    found = [clock.seconds(stamp, 25.0), clock.seconds(stamp + 0.1, 25.0)]
    assert [seconds for seconds, _ in found] == pytest.approx([20.0, 20.1])
    assert [is_broken for _, is_broken in found] == [True, False]


def test_times_that_are_made_up_give_way_to_arrival() -> None:
    clock = Clock()
    clock.begin(None, has_times=False)
    arrivals = [5.0 + 0.2 * number for number in range(10)]
    found = [clock.seconds(number / 25, at) for number, at in enumerate(arrivals)]
    assert [seconds for seconds, _ in found] == pytest.approx([0.2 * number for number in range(10)])
    assert not any(is_broken for _, is_broken in found)
    assert clock.ahead == -5.0 and clock.by_arrival


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clocks are compared; other tests of this folder have cameras that send faster than real ones."""
    monkeypatch.setattr(clocks, "COMPARED_SECONDS", 30.0)


def sent(clock: Clock, frames: Iterable[tuple[float | None, float]]) -> list[tuple[float, float, bool]]:
    """When frames came and are shown, and whether that follows from the one before."""
    return [(at, *clock.seconds(stamp, at)) for stamp, at in frames]


@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize("pace", [0.2, 0.8, 1.3, 5.0, None])
def test_a_clock_that_goes_wrong_gives_way_to_arrival_and_is_believed_again(pace: float | None) -> None:
    clock = Clock()
    clock.begin(0.04)  # which is the pace of frames without a time, at the five that come each second: 0.2
    wrong = [(None if pace is None else pace * number / 5, 1000 + number / 5) for number in range(500)]
    found = sent(clock, wrong)
    assert clock.by_arrival
    assert clock.pace.ratio == pytest.approx(pace or 0.2, rel=0.01)
    (at, turned), *more = [(at, seconds) for at, seconds, is_broken in found if is_broken]
    assert more == [] and 1050 <= at <= 1070
    assert found[-1][1] - turned == pytest.approx(found[-1][0] - at)
    start = wrong[-1][0] or 0.0
    right = [(start + number / 5, 1100 + number / 5) for number in range(500)]
    found = sent(clock, right)
    assert not clock.by_arrival
    assert [is_broken for _, _, is_broken in found].count(True) == 1
    assert found[-1][1] - found[0][1] == pytest.approx(99.8, abs=0.5)


@pytest.mark.usefixtures("compared")
@pytest.mark.parametrize("burst", [0.0, 10.0])
@pytest.mark.parametrize("late", ["never", "stalls", "segments"])
def test_what_comes_early_or_late_over_a_network_leaves_a_clock_believed(burst: float, late: str) -> None:
    clock, random = Clock(), np.random.default_rng(0)
    clock.begin(0.1)
    arrived, frames = 0.0, []
    for number in range(6000):
        stamp = number / 10
        due = max(0.0, stamp - burst) + random.uniform(0, 0.3)
        if late == "stalls" and stamp % 50 > 46:  # four seconds in a minute, and what waited comes at once
            due = stamp - stamp % 50 + 50 - burst
        if late == "segments":
            due = stamp - stamp % 8 + 8 - burst
        arrived = max(arrived, due)
        frames.append((stamp, arrived))
    found = sent(clock, frames)
    assert not clock.by_arrival
    assert not any(is_broken for _, _, is_broken in found)


@given(
    st.lists(
        st.tuples(
            st.none() | st.floats(-1e5, 1e5) | st.floats(0, 60),
            st.floats(0, 20),
            st.sampled_from([None, 0.04, "begin", "made up"]),
        ),
        min_size=1,
        max_size=40,
    )
)
@pytest.mark.usefixtures("compared")
def test_time_always_goes_on(frames: list[tuple[float | None, float, object]]) -> None:
    clock, arrived, seen = Clock(), 0.0, []
    clock.begin(None)
    for stamp, passed, what in frames:
        arrived += passed
        if what is not None:
            clock.begin(0.04 if what == "begin" else None, has_times=what != "made up")
        seen.append(clock.seconds(stamp, arrived)[0])
    assert seen[0] == 0
    assert all(later > before for before, later in itertools.pairwise(seen))


@given(st.integers(1, 120), st.integers(1, 60), st.sampled_from([0.0, 0.0, 0.1, -0.1]))
def test_frames_are_picked_as_of_a_file(source: int, model: int, jitter: float) -> None:
    try:
        stride = every(Fraction(source), Fraction(model), "a.mp4")
    except ConfigError:
        return
    ratio = source / model
    low = max(1, int(ratio))
    if jitter and abs(ratio - 2 * low * (low + 1) / (2 * low + 1)) < 0.2:  # both strides are as good
        return
    grid = Grid(model)
    shift = itertools.cycle((0.0, jitter, -jitter / 2))
    taken = [n for n in range(100) if grid.takes((n + next(shift)) / source)]
    assert taken == list(range(0, 100, stride))


def test_the_rate_that_is_scored_is_told_once_it_is_known() -> None:
    grid = Grid(10)
    taken = [grid.takes(number / 25) for number in range(100)]
    assert taken == [number % 3 == 0 for number in range(100)]
    assert grid.rate == pytest.approx(25 / 3)
