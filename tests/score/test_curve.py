"""A curve keeps the highest point of each span, however long it gets, and is broken at gaps."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.score.curve import MOST, Curve, Height
from pipeline.scoring.watching import Watched


def at(evidence: float) -> Height:
    return Height(0.0, evidence, False)


def watched(*, is_settled: bool, rarity_hours: float) -> Watched:
    return Watched(
        evidence=4.0,
        signal=0,
        is_settled=is_settled,
        rarity_hours=rarity_hours,
        is_censored=rarity_hours > 1,
        share_above=0.5,
        alarm=False,
        event=None,
        change=None,
        is_top=False,
        is_over=None,
    )


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(-100, 100), st.booleans()), min_size=1, max_size=200),
    st.booleans(),
)
def test_the_highest_points_of_spans_stay_and_memory_is_bounded(
    steps: list[tuple[float, float, bool]], is_long: bool
) -> None:
    seconds = np.cumsum([step for step, _, _ in steps]) * (1000 if is_long else 1)
    values = [value for _, value, _ in steps]
    curve = Curve()
    for time, (_, value, restart) in zip(seconds.tolist(), steps, strict=True):
        curve.push(time, at(value), restart=restart)
    runs = list(curve.runs())
    points = [point for run in runs for point in run]
    assert all(runs)
    assert len(runs) <= 1 + curve.gaps == 1 + sum(restart for _, _, restart in steps)
    assert 0 < len(points) <= MOST
    assert max(found.evidence for _, found in points) == max(values)
    times = [time for time, _ in points]
    assert times == sorted(times)
    span = max(1 / 8, 2 * seconds[-1] / MOST)
    for time, found in points:
        near = [v for s, v in zip(seconds.tolist(), values, strict=True) if abs(s - time) <= span]
        assert found.evidence in near


def test_short_curves_stay_as_they_are() -> None:
    curve = Curve()
    for number in range(64):
        curve.push(number / 8, at(float(number)))
    assert list(curve.runs()) == [[((number + 0.5) / 8, at(float(number))) for number in range(64)]]


def test_a_gap_breaks_the_curve_and_is_counted() -> None:
    curve = Curve()
    for second in (0.0, 1.0, 9.0, 10.0):
        curve.push(second, None if second == 9.0 else at(1.0), restart=second == 9.0)
    assert [[int(time) for time, _ in run] for run in curve.runs()] == [[0, 1], [10]]
    assert (curve.gaps, curve.gap_seconds) == (1, 8.0)


def test_a_rarer_moment_is_higher_and_of_two_as_rare_the_stronger() -> None:
    heights = [
        Height(6.3, 9.0, True),
        Height(6.3, 7.0, True),
        Height(0.1, 5.0, False),
        Height(0.1, 4.0, False),
    ]
    assert sorted(heights, reverse=True) == heights


@pytest.mark.parametrize(
    ("seen", "floor", "height"),
    [
        (watched(is_settled=False, rarity_hours=math.nan), -math.inf, None),
        (watched(is_settled=True, rarity_hours=math.nan), -math.inf, Height(0.0, 4.0, False)),
        (watched(is_settled=True, rarity_hours=2.0), 4.0, Height(2.0, 4.0, True)),
        (watched(is_settled=True, rarity_hours=0.1), 4.5, Height(0.0, 4.0, False)),
    ],
)
def test_a_frame_is_as_high_as_it_is_rare_if_an_alarm_can_come_from_it(
    seen: Watched, floor: float, height: Height | None
) -> None:
    assert Height.of(seen, floor) == height
