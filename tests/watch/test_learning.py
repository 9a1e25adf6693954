"""A camera without a calibration learns what it sees, also over stops, and raises alarms then."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.runs.calibration import load_calibration
from pipeline.watch import learning
from pipeline.watch.plan import watch_config
from pipeline.watch.run import watch
from shards.storage import Storage
from tests.helpers.videos import write_video
from tests.helpers.watching import events_of
from tests.helpers.yard import FRAMES, RATE, World, abnormal_video, normal_video


@pytest.fixture
def bare(world: World, tmp_path: Path) -> World:
    """The same run without its calibration; the video is two normal minutes and then one with a block."""
    run = tmp_path / "run"
    shutil.copytree(world.run / "checkpoints", run / "checkpoints")
    frames = [*normal_video(), *normal_video(), *abnormal_video()]
    return World(run=run, video=write_video(tmp_path / "cam.mp4", frames, rate=RATE))


def watched(world: World, out: Path, **options: object) -> str | None:
    given = {"checkpoint": str(world.run), "out": str(out), "name": "yard", "device": "cpu", **options}
    return watch(watch_config(url=str(world.video), **given)).view.snapshot("yard").missing


@pytest.mark.slow
def test_alarms_come_once_a_camera_is_learned(bare: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert watched(bare, out, learn="2m", alarms_per_hour=100.0) is None
    found = load_calibration(Storage(str(out / "yard" / "learned")))
    assert found.calibration.hours == pytest.approx(2 / 60, rel=0.1)
    assert [recording.name for recording in found.recordings] == ["yard"]
    assert not (out / "yard" / "learned" / "calibration").exists()
    events = events_of(out)
    assert len(events) == 2
    assert all(event.start_seconds >= 2 * FRAMES / RATE for event in events)


@pytest.mark.slow
def test_learning_goes_on_where_it_was_stopped(
    bare: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "PIECE_SECONDS", 20.0)
    out = tmp_path / "out"
    missing = watched(bare, out, learn="5m", alarms_per_hour=100.0)
    assert missing is not None and "of 5.0 min" in missing
    pieces = list((out / "yard" / "learned" / "calibration").glob("*.npz"))
    assert len(pieces) >= 8
    assert watched(bare, out, learn="5m", alarms_per_hour=100.0) is None


def test_too_little_for_the_rate_is_refused_with_what_is_needed(bare: World, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"--learn: found 1h, expected at least 2\.4 h for 1 alarm per hour"
    ):
        watched(bare, tmp_path / "out", learn="1h")
