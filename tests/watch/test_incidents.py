"""Events of the camera itself, and what is left of events when a program is killed."""

import dataclasses
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from pipeline.events.event import Kind
from pipeline.events.log import read_events, writing
from pipeline.scoring.happenings import Subject
from pipeline.watch.camera import is_quiet
from pipeline.watch.feed import Feed
from pipeline.watch.incidents import Incidents, close_interrupted
from shards.storage import Storage
from tests.helpers.events import MODEL, event, peak

KINDS: tuple[Kind, ...] = ("camera_down", "black", "frozen", "moved", "drift")
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
SUBJECT = Subject(camera="yard", source="rtsp://host/a", calibration="", model=MODEL)


def test_an_incident_is_one_event_with_a_beginning_and_an_end(tmp_path: Path) -> None:
    folder = Storage(str(tmp_path))
    with writing(folder) as log:
        incidents = Incidents(log, SUBJECT)
        told = [
            *incidents.turn("frozen", True, 10.0, NOW, is_suppressed=False),
            *incidents.turn("frozen", True, 11.0, NOW, is_suppressed=False),
            *incidents.turn("camera_down", True, 12.0, NOW, is_suppressed=True),
            *incidents.turn("frozen", False, 13.0, NOW + timedelta(seconds=3), is_suppressed=True),
            *incidents.close(NOW + timedelta(seconds=4)),
        ]
    assert [(each.kind, each.type, each.suppressed) for each in told] == [
        ("frozen", "new", False),
        ("camera_down", "new", True),
        ("frozen", "end", False),
        ("camera_down", "end", True),
    ]
    assert [(each.kind, each.end_seconds) for each in read_events(folder)] == [
        ("frozen", 13.0),
        ("camera_down", 16.0),
    ]


def test_what_goes_on_when_the_program_stops_is_interrupted_and_not_over(tmp_path: Path) -> None:
    with writing(Storage(str(tmp_path))) as log:
        incidents = Incidents(log, SUBJECT)
        for kind in KINDS:
            incidents.turn(kind, True, 5.0, NOW, is_suppressed=False)
        incidents.turn("black", False, 9.0, NOW + timedelta(seconds=4), is_suppressed=False)
        incidents.close(NOW + timedelta(seconds=60))
        found = {each.kind: each.interrupted for each in log.events}
    assert found == {**dict.fromkeys(KINDS, True), "black": False}


def test_what_a_person_has_said_of_what_goes_on_stays(tmp_path: Path) -> None:
    with writing(Storage(str(tmp_path))) as log:
        incidents = Incidents(log, SUBJECT)
        (begun,) = incidents.turn("moved", True, 5.0, NOW, is_suppressed=False)
        log.say(dataclasses.replace(begun, label="real"))
        incidents.say("0" * 16, "normal")
        incidents.say(begun.id, "real")
        (ended,) = incidents.turn("moved", False, 9.0, NOW + timedelta(seconds=4), is_suppressed=False)
        assert [each.label for each in log.events] == ["real"]
    assert (ended.type, ended.label) == ("end", "real")


def test_no_event_ends_before_it_began_though_the_clock_is_set_back(tmp_path: Path) -> None:
    with writing(Storage(str(tmp_path))) as log:
        incidents = Incidents(log, SUBJECT)
        incidents.turn("moved", True, 5.0, NOW, is_suppressed=False)
        (ended,) = incidents.turn("moved", False, 9.0, NOW - timedelta(hours=1), is_suppressed=False)
        incidents.turn("black", True, 5.0, NOW, is_suppressed=False)
        (closed,) = incidents.close(NOW - timedelta(hours=1))
    assert ended.end == closed.end == NOW
    assert ended.end_seconds == 5.0


def test_what_a_kill_left_open_ends_with_what_is_known_of_it(tmp_path: Path) -> None:
    folder = Storage(str(tmp_path))
    live = event(1, type="new", start=NOW, peak=peak(seconds=12.0, time=NOW + timedelta(seconds=2)))
    with writing(folder) as log:
        log.append(event(0))
        log.append(live)
    with writing(folder) as log:
        (ended,) = close_interrupted(log)
        assert close_interrupted(log) == []
    assert (ended.id, ended.type, ended.interrupted) == (live.id, "end", True)
    assert (ended.end_seconds, ended.end) == (12.0, NOW + timedelta(seconds=2))
    assert [each.type for each in read_events(folder)] == ["end", "end"]


@pytest.mark.parametrize(
    ("times", "now", "expected"),
    [
        ("22:00-06:00", "23:10", True),
        ("22:00-06:00", "05:59", True),
        ("22:00-06:00", "06:00", False),
        ("09:00-17:00", "12:00", True),
        ("09:00-17:00", "17:00", False),
        (None, "12:00", False),
    ],
)
def test_quiet_times_may_go_over_midnight(times: str | None, now: str, expected: bool) -> None:
    assert is_quiet(times, time.fromisoformat(now)) == expected


@pytest.mark.parametrize(
    ("rate", "expected", "is_off"),
    [(25.0, 25.0, False), (27.0, 25.0, False), (20.0, 25.0, True), (None, 25.0, False), (25.0, None, False)],
)
def test_a_rate_that_is_not_the_models_is_known(
    rate: float | None, expected: float | None, is_off: bool
) -> None:
    assert Feed(rate=rate, expected=expected).is_off_rate == is_off
