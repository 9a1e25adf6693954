"""What the line about a camera says, and what persons may say meanwhile."""

from datetime import datetime, tzinfo
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.events import log
from pipeline.events.event import Event
from pipeline.watch import face as face_module
from pipeline.watch.face import Face
from pipeline.watch.feed import Feed
from shards.storage import Storage
from tests.helpers.events import event


def made(folder: Path, events: list[Event]) -> Face:
    return Face("yard", "rtsp://192.0.2.7/stream", folder, Feed(), lambda: 0, events)


def test_events_are_counted_from_the_start_of_the_watch_and_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_module, "RECENT", 3)
    with log.lasting(Storage(str(tmp_path)), most=3) as opened:
        for number in range(5):
            opened.append(event(number))
        face = made(tmp_path, opened.events)
        assert "0 events since the start" in face.snapshot().words
        for number in range(5, 10):
            for one in (event(number, type="new"), event(number)):
                face.told(opened.append(one), opened.events)
        opened.say(event(9, label="real"))
        face.told(event(9, label="real"), opened.events)
    assert "5 events since the start" in face.snapshot().words
    assert [each.id for each in face.events()] == [event(number).id for number in (9, 8, 7)]


def test_a_label_is_taken_of_what_the_log_knows_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_module, "RECENT", 3)
    with log.lasting(Storage(str(tmp_path)), most=3) as opened:
        for number in range(3):
            opened.append(event(number))
        face = made(tmp_path, opened.events)
        opened.say(event(0, label="normal"))  # of which something was said last is known for longest
        face.told(event(0, label="normal"), opened.events)
        face.told(opened.append(event(3)), opened.events)
        assert [each.id for each in face.events()] == [event(number).id for number in (3, 2, 0)]
        assert {each.id for each in face.events()} == {each.id for each in opened.events}
    assert face.label(event(0).id, "real") and face.label(event(3).id, "normal")
    assert not face.label(event(1).id, "normal")
    assert face.asked() == [(event(0, label="normal"), "real"), (event(3), "normal")]
    face.close()
    assert not face.label(event(3).id, "real")
    assert face.asked() == []


def test_a_snooze_that_ends_while_it_is_looked_at_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = made(tmp_path, [])

    def now(zone: tzinfo) -> datetime:
        """The time, at which another thread ends the snooze."""
        face._snoozed = None
        return datetime.now(zone)

    def snoozed() -> None:
        monkeypatch.undo()
        face.snooze(900)
        monkeypatch.setattr(face_module, "datetime", SimpleNamespace(now=now))

    snoozed()
    assert face.is_snoozed
    assert not face.is_snoozed
    snoozed()
    assert face.snapshot().snoozed_until is None or "snoozed" not in face.snapshot().words
