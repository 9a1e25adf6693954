"""How high rarities are drawn: in order, with the alarm's level where alarms begin."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.score.axes import decibels, rarities
from pipeline.score.curve import Height

T, LEAST = 6.3, 0.005
KNOWN = st.builds(Height, st.floats(LEAST, T, exclude_max=True), st.floats(0, 8), st.just(False))
USUAL = st.builds(Height, st.just(0.0), st.floats(-5, 0), st.just(False))
BEYOND = st.builds(Height, st.just(T), st.floats(8, 50), st.just(True))


@given(st.lists(USUAL | KNOWN | BEYOND, min_size=1), st.floats(LEAST, T))
def test_the_higher_of_two_is_drawn_no_lower(heights: list[Height], limit: float) -> None:
    axis = rarities(heights, least_hours=LEAST, limits={None: limit}, most_hours=T)
    drawn = [axis.up(height) for height in sorted(heights)]
    assert all(b >= a - 1e-9 for a, b in pairwise(drawn))
    assert all(0 < place < 1 for place in drawn)
    (level,) = [mark.height for mark in axis.marks if mark.is_limit]
    for height in heights:
        if height.rarity_hours > limit or height.is_censored:
            assert axis.up(height) >= level - 1e-9
        elif height.rarity_hours < limit:
            assert axis.up(height) <= level + 1e-9


def test_what_is_usual_lies_below_the_least_limit_there_is() -> None:
    usual = Height(0.0, 0.0, False)
    axis = rarities([usual], least_hours=3.6, limits={None: 3.6}, most_hours=10.9)
    (level,) = [mark.height for mark in axis.marks if mark.is_limit]
    assert axis.up(usual) < level - 0.1


@pytest.mark.parametrize("limit", [LEAST, 0.006, 1.0, 5.5, T])
def test_no_two_names_overlap(limit: float) -> None:
    axis = rarities([], least_hours=LEAST, limits={None: limit}, most_hours=T)
    places = sorted(mark.height for mark in axis.marks)
    assert all(b - a > 0.05 for a, b in pairwise(places))


def test_each_profile_has_its_level_and_levels_close_together_share_a_name() -> None:
    limits: dict[str | None, float] = {"colour": 1.0, "infrared": 1.05, "rain": 3.0}
    axis = rarities([], least_hours=LEAST, limits=limits, most_hours=T)
    assert [mark.text for mark in axis.marks if mark.is_limit] == ["1 h", "", "3 h"]
    assert [text for kind, text in axis.legend if kind == "limit"] == [
        "level of an alarm, colour: once in 1 h",
        "level of an alarm, infrared: once in 1.1 h",
        "level of an alarm, rain: once in 3 h",
    ]


def test_decibels_fill_the_plot_also_where_all_are_the_same() -> None:
    one, other = Height(0.0, -20.0, False), Height(0.0, -10.0, False)
    axis = decibels([one, other])
    assert (axis.up(one), axis.up(other)) == (0, 1)
    assert decibels([one]).up(one) == 0
