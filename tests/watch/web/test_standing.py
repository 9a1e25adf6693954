"""How a camera stands, in words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipeline.events.event import Event
from pipeline.watch.web.standing import standing
from tests.helpers.statuspage import live_event, snapshot

UNARMED = {"limit_hours": None, "missing": "no calibration"}


def going(kind: str) -> Event:
    return live_event(type="new", kind=kind, peak=None, threshold=None)


@pytest.mark.parametrize(
    ("changes", "events", "words"),
    [
        ({}, [], ["live", "armed"]),
        ({"state": "connecting"}, [], ["connecting", "armed"]),
        ({"state": "down", "reason": "refused"}, [going("camera_down")], ["down", "armed"]),
        ({"state": "ended"}, [], ["ended", "armed"]),
        ({"alarm": True}, [live_event(type="new")], ["alarm", "live", "armed"]),
        ({}, [going("frozen"), going("drift")], ["live", "frozen", "drift, recalibrate", "armed"]),
        ({"blocked": "moved, alarms pause"}, [going("moved")] * 2, ["live", "moved, alarms pause"]),
        ({"blocked": "black, alarms pause"}, [going("black")], ["live", "black, alarms pause"]),
        ({"blocked": "too slow: no alarms"}, [], ["live", "too slow: no alarms"]),
        ({}, [live_event(kind="moved", peak=None)], ["live", "armed"]),
        (UNARMED, [], ["live", "no alarms"]),
        ({**UNARMED, "learning": True}, [], ["live", "learning"]),
        ({"profile": "night"}, [], ["live", "armed", "night"]),
        (
            {"missed_rate": 12.0, "blocked": "rate off, nobody is told"},
            [],
            ["live", "rate off, nobody is told"],
        ),
        ({**UNARMED, "learning": True, "blocked": "x"}, [], ["live", "learning", "x"]),
    ],
)
def test_what_matters_most_comes_first(
    changes: dict[str, Any], events: list[Event], words: list[str]
) -> None:
    assert [word.text for word in standing(snapshot(**changes), events)] == words


def test_a_snooze_says_until_when_on_the_clock_of_the_machine() -> None:
    until = datetime(2026, 5, 1, 14, 3, 27, tzinfo=UTC)
    *_, last = standing(snapshot(snoozed_until=until), [])
    assert last.text == f"snoozed until {until.astimezone():%H:%M}"
