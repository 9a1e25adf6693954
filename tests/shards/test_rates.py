"""The rate of videos, from whatever a manifest says of them."""

import math

import pytest

from shards.entries import Video
from shards.rates import common_rate, known_rate, rate_of


def video(rate: object) -> Video:
    return Video(name="a", split="training", frames=9, source={"rate": rate}, shards=())


@pytest.mark.parametrize(
    "value", [None, 0, 0.0, -25.0, True, "25", math.nan, math.inf, 10**400, [25.0], {"rate": 25}]
)
def test_what_is_no_positive_number_is_no_rate(value: object) -> None:
    assert known_rate(value) is None
    assert rate_of(video(value)) is None


def test_a_whole_number_is_a_rate() -> None:
    assert known_rate(25) == 25.0


@pytest.mark.parametrize(
    ("rates", "common"),
    [
        ([25.0], 25.0),
        ([25.0, 25.0, 24.0], 25.0),
        ([29.97, 30.0], 29.97),
        ([10.0, 11.0], 10.0),
        ([10.0, 11.1], None),
        ([25.0, None], None),
        ([None], None),
        ([], None),
    ],
)
def test_the_common_rate_is_that_of_a_video_unless_one_has_none_or_they_differ(
    rates: list[float | None], common: float | None
) -> None:
    assert common_rate([video(rate) for rate in rates]) == common
