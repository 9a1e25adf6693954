"""A camera without a calibration learns what it sees, also over stops, and raises alarms then."""

import dataclasses
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from pipeline.calibrate.config import FeedbackConfig
from pipeline.calibrate.feedback import feedback
from pipeline.errors import CalibrationError, ConfigError
from pipeline.runs.calibration import CalibrationRecord, Trace, calibrated_profiles, load_calibration
from pipeline.scoring import keeping
from pipeline.scoring.keeping import Keeper
from pipeline.video.profiles import profiles
from pipeline.video.timed import TimedFrame
from pipeline.watch import learning
from pipeline.watch.assembler import Arrival, Window
from pipeline.watch.engine import Engine
from pipeline.watch.learning import Learner
from pipeline.watch.plan import Plan, watch_config
from pipeline.watch.run import watch
from shards.storage import Storage
from tests.helpers.videos import scene, write_video
from tests.helpers.watching import events_of, prepared
from tests.helpers.yard import ALARMS_PER_HOUR, FRAMES, RATE, World, abnormal_video, normal_video


@pytest.fixture
def bare(world: World, tmp_path: Path) -> World:
    """The same run without its calibration; the video is two normal minutes and then one with a block."""
    run = tmp_path / "run"
    shutil.copytree(world.run / "checkpoints", run / "checkpoints")
    frames = [*normal_video(), *normal_video(), *abnormal_video()]
    return World(run=run, video=write_video(tmp_path / "cam.mp4", frames, rate=RATE))


def watched(world: World, out: Path, **options: object) -> str | None:
    plan = watch_config(**given(world, out), url=str(world.video), **options)
    return watch(plan).view.snapshot("yard").missing


def given(world: World, out: Path) -> dict[str, str]:
    return {"checkpoint": str(world.run), "out": str(out), "name": "yard", "device": "cpu"}


@pytest.mark.slow
def test_alarms_come_once_a_camera_is_learned(world: World, bare: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outdated(world, out, None, "night")
    (out / "config.toml").write_text(watch_config(**given(bare, out), url=str(bare.video)).recorded())
    assert watched(bare, out, learn="2m", alarms_per_hour=100.0) is None
    assert calibrated_profiles(Storage(str(out / "yard" / "learned"))) == [None]
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


def outdated(world: World, out: Path, *profiles: str | None) -> Storage:
    """What a camera learned for another model."""
    home = Storage(str(out / "yard" / "learned"))
    record = load_calibration(Storage(str(world.run)))
    belongs = dataclasses.replace(record.belongs, checkpoint="0" * 64)
    for profile in profiles:
        dataclasses.replace(record, belongs=belongs, profile=profile).save(home)
    return home


@pytest.mark.parametrize("learn", [None, "24h"])
def test_what_was_learned_for_another_model_keeps_no_watch_from_starting(
    world: World, tmp_path: Path, learn: str | None
) -> None:
    outdated(world, tmp_path, None)
    with prepared(watch_config(**given(world, tmp_path), url="rtsp://127.0.0.1:1/s", learn=learn)) as made:
        snapshot = made.view.snapshot("yard")
        (note,) = snapshot.notes
        assert "found a calibration of the checkpoint with SHA-256 000000000000..." in note
        assert snapshot.learning == (learn is not None)
        if learn is None:
            assert note.endswith("; the calibration of the run counts")
            assert snapshot.limit_hours is not None
        else:
            assert note.endswith("; the camera is learned again")
    if learn is None:  # as whoever counts what was called normal has it
        (one,) = feedback(FeedbackConfig(run=str(world.run), watched=str(tmp_path)))
        assert one.file == f"{world.run}/calibration.json"


def test_what_was_learned_for_another_model_is_refused_where_nothing_takes_its_place(
    world: World, bare: World, tmp_path: Path
) -> None:
    outdated(world, tmp_path / "out", None)
    plan = watch_config(**given(bare, tmp_path / "out"), url="rtsp://127.0.0.1:1/s")
    words = r"camera yard: .*; learn the camera again with --learn"
    with pytest.raises(CalibrationError, match=words) as caught, prepared(plan):
        pass
    assert "\n" not in str(caught.value)


def test_an_upgrade_keeps_what_was_seen_so_far(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace(seconds=np.arange(3.0), values=np.zeros((3, 1)), restarts=[])
    belongs = load_calibration(Storage(str(world.run))).belongs
    home = Storage(str(tmp_path))
    Keeper(home, belongs, of_version=False).save("0", None, trace)
    Keeper(home, belongs).save("a", None, trace)
    monkeypatch.setattr(keeping, "code_version", lambda: "9.9.9")
    assert Keeper(home, belongs, of_version=False).load("0", None) is not None
    assert Keeper(home, belongs).load("a", None) is None


class KilledError(BaseException):
    """In place of a kill."""


def killed(*given: object) -> None:
    raise KilledError


@pytest.fixture
def seen(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Plan, Storage]:
    """A camera with two profiles that has seen enough of both; its calibrations are those of its run."""
    record = load_calibration(Storage(str(world.run)))

    def made(self: Learner, profile: str | None) -> CalibrationRecord:
        return dataclasses.replace(record, profile=profile)

    monkeypatch.setattr(Learner, "_record", made)
    home = Storage(str(tmp_path / "yard" / "learned"))
    trace = Trace(seconds=np.arange(0, 130, 0.5), values=np.zeros((260, len(record.boxes))), restarts=[])
    for profile in profiles("chroma"):
        Keeper(home, record.belongs, of_version=False).save("0", profile, trace)
    plan = watch_config(
        **given(world, tmp_path),
        url="rtsp://127.0.0.1:1/s",
        profile="chroma",
        learn="2m",
        alarms_per_hour=ALARMS_PER_HOUR,
    )
    return plan, home


def next_frame(made: Engine) -> None:
    """Have a frame scored."""
    post = made._posts["yard"]
    pictures = scene(5, size=(48, 72))
    frames = [
        TimedFrame(number=number, seconds=number / RATE, picture=picture, is_corrupt=False)
        for number, picture in enumerate(pictures)
    ]
    (moment,) = post.tool.moments(frames)
    last = Arrival(frame=frames[-1], at=1.0, time=datetime(2026, 5, 4, 12, tzinfo=UTC))
    post.camera.see(Window(frames=(*pictures,), last=last, profile=moment.profile, gap=False), moment, 1.0)


def test_a_kill_between_the_calibrations_of_two_profiles_ends_no_learning(
    seen: tuple[Plan, Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    (plan, home), real = seen, CalibrationRecord.save
    with monkeypatch.context() as patch, prepared(plan) as made:

        def save(self: CalibrationRecord, folder: Storage) -> None:
            if calibrated_profiles(home):
                raise KilledError
            real(self, folder)

        patch.setattr(CalibrationRecord, "save", save)
        with pytest.raises(KilledError):
            next_frame(made)
    assert len(calibrated_profiles(home)) == 1
    with prepared(plan) as made:
        snapshot = made.view.snapshot("yard")
        assert snapshot.learning and "found a part of what was learned" in snapshot.notes[0]
        next_frame(made)
        assert not made.view.snapshot("yard").learning
    assert calibrated_profiles(home) == sorted(profiles("chroma"), key=str)
    assert not (Path(home.path("")) / "calibration").exists()


def test_a_kill_while_what_was_seen_is_removed_has_the_camera_learned(
    seen: tuple[Plan, Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, home = seen
    with monkeypatch.context() as patch, prepared(plan) as made:
        patch.setattr(Keeper, "clear", killed)
        with pytest.raises(KilledError):
            next_frame(made)
    assert list((Path(home.path("")) / "calibration").iterdir())
    with prepared(plan) as made:
        snapshot = made.view.snapshot("yard")
        assert not snapshot.learning and snapshot.notes == () and snapshot.limit_hours is not None


def test_too_little_for_the_rate_is_refused_with_what_is_needed(bare: World, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"--learn: found 1h, expected at least 2\.4 h for 1 alarm per hour"
    ):
        watched(bare, tmp_path / "out", learn="1h")
