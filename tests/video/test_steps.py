"""What the times of frames say of their rate."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.steps import LOOKED_AT, believed_rate, is_even, rate_of_file

UNIT = Fraction(1, 1000)


def ticks(rate: Fraction, frames: int, start: int = 0) -> np.ndarray:
    return np.array([round(start + number / (rate * UNIT)) for number in range(frames)], np.int64)


@given(
    rate=st.fractions(min_value=1, max_value=120, max_denominator=1001),
    frames=st.integers(1, 400),
    start=st.integers(-1000, 1000),
)
def test_rounded_times_are_even_and_leave_the_header_its_rate(
    rate: Fraction, frames: int, start: int
) -> None:
    times = ticks(rate, frames, start)
    assert is_even(times)
    assert believed_rate(times[::-1], UNIT, rate, fields=False) == rate


@pytest.mark.parametrize(
    ("rate", "expected"),
    [(Fraction(10), Fraction(10)), (Fraction(30000, 1001), Fraction(30000, 1001)), (Fraction(15), 15)],
)
@pytest.mark.parametrize("header", [Fraction(25), None])
def test_times_tell_another_rate(rate: Fraction, expected: Fraction, header: Fraction | None) -> None:
    assert believed_rate(ticks(rate, 300), UNIT, header, fields=False) == expected


def test_fields_in_packets_of_their_own_do_not_double_the_rate() -> None:
    assert believed_rate(ticks(Fraction(50), 100), UNIT, Fraction(25), fields=True) == 25
    assert believed_rate(ticks(Fraction(50), 100), UNIT, Fraction(25), fields=False) == 50


def test_uneven_times_and_none_leave_the_header_its_rate() -> None:
    for times in ([], [0], [5, 5], [0, 100, 300]):
        assert believed_rate(np.array(times, np.int64), UNIT, Fraction(25), fields=False) == 25
        assert believed_rate(np.array(times, np.int64), None, None, fields=False) is None


def test_missing_frames_add_up_where_a_tick_is_as_long_as_a_frame() -> None:
    times = np.delete(np.arange(1000), np.arange(100, 110, 2))
    assert not is_even(times)
    assert is_even(np.delete(np.arange(1000), 500))


@given(
    rate=st.fractions(min_value=1, max_value=60, max_denominator=1001),
    gaps=st.sets(st.integers(110, 298), max_size=5),
    header=st.sampled_from([None, Fraction(25)]),
)
def test_the_whole_and_the_first_frames_tell_the_same_rate(
    rate: Fraction, gaps: set[int], header: Fraction | None
) -> None:
    times = np.delete(ticks(rate, 300), list(gaps))
    whole = rate_of_file(times, UNIT, header, fields=False)
    start = rate_of_file(times[:LOOKED_AT], UNIT, header, fields=False)
    assert whole is not None
    assert start is not None
    assert abs(LOOKED_AT / whole - LOOKED_AT / start) <= 3 * UNIT


@pytest.mark.parametrize("header", [Fraction(90_000), Fraction(1, 10_000)])
def test_a_rate_that_cannot_be_is_none(header: Fraction) -> None:
    assert rate_of_file(np.array([0, 100, 300]), UNIT, header, fields=False) is None
