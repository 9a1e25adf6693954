"""What the line about a camera says."""

from pathlib import Path

import pytest

from pipeline.watch import face as face_module
from pipeline.watch.face import Face
from pipeline.watch.feed import Feed
from tests.helpers.events import event


def test_events_are_counted_from_the_start_of_the_watch_and_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_module, "RECENT", 3)
    earlier = [event(number) for number in range(5)]
    face = Face("yard", "rtsp://192.0.2.7/stream", tmp_path, Feed(), lambda: 0, earlier)
    assert "0 events since the start" in face.snapshot().words
    for number in range(5, 10):
        for kind in ("new", "end"):
            face.told(event(number, type=kind))
    face.told(event(9, label="real"))
    assert "5 events since the start" in face.snapshot().words
    assert len(face.events()) == 3
