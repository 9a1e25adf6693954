"""What a person calls normal: its clip is kept, and the next watch knows of it."""

import os
import shutil
from pathlib import Path

import pytest

from pipeline.calibrate.config import FeedbackConfig
from pipeline.calibrate.feedback import feedback
from pipeline.events.event import Event, Files
from pipeline.watch import normal
from pipeline.watch.retention import Retention
from pipeline.watch.web.files import file_of
from rtsp import camera
from tests.helpers.commands import TIMEOUT
from tests.helpers.events import event
from tests.helpers.receivers import until
from tests.helpers.watching import events_of, watching, without_skipping
from tests.helpers.yard import ABNORMAL, World


def anomalies(out: Path) -> list[Event]:
    return [each for each in events_of(out) if each.kind == "anomaly"]


@pytest.mark.slow
def test_what_was_called_normal_raises_the_level_of_the_next_watch(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_skipping(monkeypatch)
    run = Path(shutil.copytree(world.run, tmp_path / "run", copy_function=os.link))
    own, out = World(run=run, video=world.video), tmp_path / "out"
    with camera(world.video, speed=10, loop=False) as source:
        with watching(own, out, source.url):
            until(lambda: len(anomalies(out)) == len(ABNORMAL), TIMEOUT)
        source.fault = "refuse"  # as at the end of the video, which that watch may not have seen
        first, second = anomalies(out)
        clips = out / "yard" / "normal"
        assert not clips.exists()
        with watching(own, out, source.url) as engine:
            limit = engine.view.snapshot("yard").limit_hours
            for each in (first, second):
                assert engine.view.label("yard", each.id, "normal")
            until(lambda: [each.label for each in anomalies(out)] == ["normal"] * 2, TIMEOUT)
            until(lambda: len(list(clips.glob("*"))) == 2, TIMEOUT)
            engine.view.label("yard", second.id, None)
            until(lambda: len(list(clips.glob("*"))) == 1, TIMEOUT)
            assert engine.view.snapshot("yard").limit_hours == limit
        (one,) = feedback(FeedbackConfig(run=str(run), watched=str(out)))
        assert first.peak is not None
        before, after = one.thresholds
        assert before is not None and after is not None
        assert after.on > first.peak.evidence >= before.on
        with watching(own, out, source.url) as engine:
            promise = engine.view.snapshot("yard").promise
        assert promise is not None and "1 event that was called normal" in promise


NAME = "00000000000000aa.mp4"
CLIP = Files(clip=f"clips/{NAME}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / NAME).write_bytes(b"clip")
    return tmp_path


def test_retention_leaves_what_was_called_normal(folder: Path) -> None:
    said = event(files=CLIP, label="normal")
    normal.keep(folder, said)
    normal.keep(folder, said)
    Retention([folder], 1e-9, None).clean(2e9)
    assert not (folder / "clips" / NAME).exists()
    assert (folder / "normal" / NAME).read_bytes() == b"clip"
    shown = file_of(folder, said, "clip")
    assert shown is not None and shown[0].name == NAME
    normal.keep(folder, event(files=CLIP))
    assert list((folder / "normal").iterdir()) == []


def test_a_program_that_was_killed_in_between_is_made_up_for(folder: Path) -> None:
    (folder / "normal").mkdir()
    (folder / "normal" / "b.mp4").write_bytes(b"taken back")
    (folder / "normal" / "mine.mp4").write_bytes(b"of somebody else")
    events = [event(0, files=CLIP, label="normal"), event(1, files=Files(clip="clips/b.mp4"), label="real")]
    normal.keep_all(folder, [*events, event(2)])
    assert sorted(path.name for path in (folder / "normal").iterdir()) == [NAME, "mine.mp4"]


def test_where_there_are_no_second_names_of_files_the_clip_is_copied(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    normal.keep(folder, event(files=CLIP, label="normal"))
    assert (folder / "normal" / NAME).read_bytes() == b"clip"
