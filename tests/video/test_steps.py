"""What the times of frames say of their rate."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video.steps import believed_rate, is_even

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
