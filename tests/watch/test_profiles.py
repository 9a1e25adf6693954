"""A camera that looks different by day and by night has a calibration for each, chosen by the clock."""

import dataclasses
import os
import shutil
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.events.event import Event
from pipeline.runs.calibration import calibrated_profiles, load_calibration
from pipeline.scoring.rows import read_rows
from pipeline.video import profiles
from pipeline.watch.plan import watch_config
from pipeline.watch.run import watch
from rtsp import camera
from shards.storage import Storage
from tests.helpers.receivers import until
from tests.helpers.watching import events_of, watching, without_skipping
from tests.helpers.yard import World

DAYS = "day=07:00-19:00,night=19:00-07:00"


class Clock:
    """The time of the day at which frames come, in place of that of the machine."""

    def __init__(self) -> None:
        self.hour = 12

    def now(self) -> datetime:
        return datetime(2026, 5, 4, self.hour)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(profiles, "datetime", made)
    return made


def anomalies(out: Path) -> list[Event]:
    return [event for event in events_of(out) if event.kind == "anomaly"]


def calibrated(world: World, folder: Path, *names: str) -> World:
    """The same camera, calibrated for some profiles alone."""
    run = Path(shutil.copytree(world.run, folder / "run", copy_function=os.link))
    record = load_calibration(Storage(str(run)))
    (run / "calibration.json").unlink()
    for name in names:
        dataclasses.replace(record, profile=name).save(Storage(str(run)))
    return World(run=run, video=world.video)


@pytest.mark.slow
def test_frames_are_held_against_the_calibration_of_the_hour(
    world: World, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_skipping(monkeypatch)
    own, out = calibrated(world, tmp_path, "day", "night"), tmp_path / "out"
    with camera(world.video, speed=10) as source, watching(own, out, source.url, profile=DAYS) as engine:
        until(lambda: anomalies(out), 60)
        assert engine.view.snapshot("yard").profile == "day"
        assert engine.view.snapshot("yard").limit_hours is not None
        clock.hour = 22
        until(lambda: engine.view.snapshot("yard").profile == "night", 60)
        before = len(anomalies(out))
        until(lambda: len(anomalies(out)) > before, 60)
    found = anomalies(out)
    assert [found[at].threshold.profile for at in (0, -1)] == ["day", "night"]  # type: ignore[union-attr]
    rows = read_rows(Storage(str(out / "yard"))).to_pylist()
    assert {row["profile"] for row in rows} == {"day", "night"}
    assert next(row["gap"] for row in rows if row["profile"] == "night")
    assert calibrated_profiles(Storage(str(out / "yard"))) == ["day", "night"]


def test_a_profile_without_hours_uses_the_strictest_and_says_so(
    world: World, tmp_path: Path, clock: Clock
) -> None:
    own = calibrated(world, tmp_path, "day")
    with watching(own, tmp_path / "out", "rtsp://127.0.0.1:1/none", profile=DAYS) as engine:
        snapshot = engine.view.snapshot("yard")
    assert snapshot.notes == (
        "no calibration of profile night: its frames are held against the strictest, that of day",
    )
    assert snapshot.missing is None


@pytest.mark.slow
def test_learning_fills_each_profile(
    world: World, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_skipping(monkeypatch)
    frames = count()

    def alternately() -> datetime:
        return datetime(2026, 5, 4, 12 if next(frames) // 40 % 2 else 22)

    monkeypatch.setattr(clock, "now", alternately)
    own, out = calibrated(world, tmp_path), tmp_path / "out"
    options = {"profile": DAYS, "learn": "1m", "alarms_per_hour": 600.0}
    learned = Storage(str(out / "yard" / "learned"))
    with camera(world.video, speed=10) as source, watching(own, out, source.url, **options) as engine:
        until(lambda: not engine.view.snapshot("yard").learning, 90)
        assert engine.view.snapshot("yard").notes == ()
    assert calibrated_profiles(learned) == ["day", "night"]
    assert all(
        load_calibration(learned, f"calibration-{name}.json").calibration.hours > 0.003
        for name in ("day", "night")
    )


def test_a_video_file_has_no_clock(world: World, tmp_path: Path) -> None:
    plan = watch_config(
        url=str(world.video), checkpoint=str(world.run), out=str(tmp_path), device="cpu", profile=DAYS
    )
    with pytest.raises(ConfigError, match=r"camera camera: profile: found times of the day for a video file"):
        watch(plan)
