"""Rarities on a logarithmic scale: rarer is higher, and names on it do not overlap."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.scale import height, round_marks

HOURS = st.floats(1e-6, 1e6)


@given(HOURS, HOURS, st.lists(HOURS, min_size=2, max_size=20))
def test_the_rarer_the_higher_within_the_scale(one: float, other: float, lengths: list[float]) -> None:
    low, high = sorted((one, other))
    heights = [height(length, low, high) for length in sorted(lengths)]
    assert heights == sorted(heights)
    assert all(0 <= place <= 1 for place in heights)


def test_each_decade_is_as_high() -> None:
    assert [height(hours, 0.01, 10) for hours in (0.01, 0.1, 1, 10)] == pytest.approx([0, 1 / 3, 2 / 3, 1])


@pytest.mark.parametrize("hours", [math.nan, 0.0, -1.0, 1e-9])
def test_what_is_below_the_scale_or_not_known_is_at_its_foot(hours: float) -> None:
    assert height(hours, 0.01, 10) == 0


def test_a_scale_without_extent_has_a_top() -> None:
    assert (height(2.0, 1.0, 1.0), height(1.0, 1.0, 1.0)) == (1.0, 0.0)


@given(HOURS, HOURS, st.lists(HOURS, max_size=3), st.floats(0.01, 0.5))
def test_names_lie_apart_from_one_another_and_from_what_is_named(
    one: float, other: float, taken: list[float], apart: float
) -> None:
    low, high = sorted((one, other))
    marks = round_marks(low, high, taken, apart)
    places = [height(mark, low, high) for mark in marks]
    assert all(b - a >= apart for a, b in pairwise(places))
    assert all(abs(place - height(other, low, high)) >= apart for place in places for other in taken)


def test_round_rarities_are_named() -> None:
    assert round_marks(0.005, 6.3, [6.3], 0.1) == [1 / 60, 1 / 6, 1.0]
