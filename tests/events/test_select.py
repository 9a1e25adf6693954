"""Which events are asked for, and how they are put into words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.events.duration import duration
from pipeline.events.event import Event
from pipeline.events.select import selected
from pipeline.events.words import COLUMNS, clock, hours, place, rarity, rows
from tests.helpers.events import event, events, peak

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def lived(start: float, end: float | None, camera: str = "yard") -> Event:
    """An event that begins and ends so many hours after noon."""
    begin = NOON + timedelta(hours=start)
    over: dict[str, Any] = {} if end is None else {"end": NOON + timedelta(hours=end), "end_seconds": 1e6}
    kind = "new" if end is None else "end"
    return event(type=kind, start=begin, peak=peak(time=begin), camera=camera, **over)


@settings(deadline=None)
@given(st.integers(0, 999), st.sampled_from(sorted(SECONDS)))
def test_a_duration_is_its_number_of_units(number: int, unit: str) -> None:
    assert duration(f"{number}{unit}").total_seconds() == number * SECONDS[unit]


def test_a_duration_may_have_a_fraction() -> None:
    assert duration("1.5h") == timedelta(minutes=90)


@settings(deadline=None)
@given(
    st.text(max_size=12)
    | st.sampled_from(["", "2", "d", "-2d", "2 d", "2d ", "1e3h", "٣h", "999999w", "2d\n"])
)
def test_what_is_no_duration_is_one_line(text: str) -> None:
    try:
        assert timedelta(0) <= duration(text) <= timedelta(weeks=5200)
    except ConfigError as error:
        assert "expected a length of time such as 90s" in str(error)
        assert "\n" not in str(error)


@pytest.mark.parametrize("text", ["", "2", "d", "-2d", "2 d", "2d ", "1e3h", "٣h", "999999w", "2d\n", "2D"])
def test_each_of_these_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        duration(text)


@settings(deadline=None)
@given(st.lists(events(), max_size=8), st.none() | st.datetimes(timezones=st.just(UTC)))
def test_selection_keeps_order_and_splits_in_two(story: list[Event], since: datetime | None) -> None:
    chosen = selected(story, since=since)
    rest = [one for one in story if one not in chosen]
    assert [one for one in story if one in chosen] == chosen
    if since is None:
        assert not rest
    else:
        assert all(one.end is None or one.end >= since for one in chosen)
        assert all(one.start is None or (one.end is not None and one.end < since) for one in rest)
    cameras = {one.camera for one in story}
    assert sum(len(selected(story, since=since, camera=camera)) for camera in cameras) == len(chosen)
    assert selected(story, camera="no such camera, with a name longer than any that is drawn here") == []


def test_since_keeps_what_was_not_yet_over_then() -> None:
    over, ended_later, goes_on = lived(-5, -3), lived(-5, -1), lived(-9, None)
    fresh, without_clock = lived(-1, 1), event()
    since = NOON - duration("2h")
    assert selected([over, ended_later, goes_on, fresh, without_clock], since=since) == [
        ended_later,
        goes_on,
        fresh,
    ]


@settings(deadline=None)
@given(events())
def test_every_event_is_a_row(one: Event) -> None:
    (row,) = rows([one])
    assert len(row) == len(COLUMNS)
    assert ("goes on" in row[-1]) == (one.type != "end")


def test_a_row_reads_well() -> None:
    begin = datetime(2026, 3, 4, 12, 30, 5, 400_000, UTC)
    live = event(start=begin, end=begin, peak=peak(time=begin), label="real", interrupted=True)
    assert rows([live])[0][1:] == [
        *("yard", "2026-03-04 12:30:05+00:00", "4.5 s", "anomaly", "once in more than 6.3 h", "middle left"),
        "interrupted, real",
    ]
    assert rows([event(366)])[0][2] == "1:01:00"
    assert rows([event(type="new", kind="camera_down", peak=None)])[0][3:] == [
        *("", "camera down", "", "", "goes on"),
    ]


@pytest.mark.parametrize(
    ("length", "text"),
    [
        *(
            (0.0001, "0.4 s"),
            (0.01, "36 s"),
            (0.5, "30 min"),
            (3.21, "3.2 h"),
            (9.96, "10 h"),
            (47.0, "47 h"),
        ),
        *((60.0, "2.5 days"), (480.0, "20 days")),
    ],
)
def test_lengths_of_time(length: float, text: str) -> None:
    assert hours(length) == text


def test_rarity_says_when_the_calibration_has_no_more_hours() -> None:
    assert rarity(peak(censored=False, rarity_hours=0.25)) == "once in 15 min"
    assert rarity(peak(censored=True, rarity_hours=6.3)) == "once in more than 6.3 h"


@pytest.mark.parametrize(
    ("box", "text"),
    [
        ((0, 0, 0.1, 0.1), "upper left"),
        ((0.4, 0.4, 0.2, 0.2), "centre"),
        ((0.9, 0.9, 0.1, 0.1), "lower right"),
        ((1, 1, 0, 0), "lower right"),
        (None, ""),
    ],
)
def test_places(box: tuple[float, float, float, float] | None, text: str) -> None:
    assert place(peak(box=box)) == text
    assert place(peak(box=box, zone="gate")) == "gate"


def test_clock() -> None:
    assert (clock(0), clock(2467.9), clock(3_600_000)) == ("0:00:00", "0:41:07", "1000:00:00")
