"""Doctor says in a few lines what fits, what does not, and what to do about it."""

import dataclasses
import shutil
from pathlib import Path

import pytest

from pipeline.errors import CheckpointError, ConfigError, SourceError
from pipeline.runs.calibration import load_calibration
from pipeline.score.config import DoctorConfig
from pipeline.score.doctor import diagnose
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.videos import scene, write_video
from tests.helpers.yard import RATE, World


def told(video: Path, run: Path) -> dict[str, str]:
    config = DoctorConfig(video=str(video), checkpoint=str(run), seconds=0.2, device="cpu")
    return {finding.about: finding.words for finding in diagnose(config)}


def test_all_that_fits_is_said(world: World) -> None:
    words = told(world.video, world.run)
    assert words["video"].startswith("h264, 72x48 pixels, 2 frames/s")
    assert words["video"].endswith("0:01:00 long")
    assert words["model"] == "pred, trained on 2 frames/s of 24x16 pixels"
    assert words["rate"] == "every frame is scored, 2 a second"
    assert "frames/s on this machine's cpu with torch in fp32, enough for " in words["speed"]
    assert words["calibration"].startswith("If the camera goes on seeing what it saw in the 57.0 seconds")


def test_a_rate_that_does_not_fit_is_said(world: World, tmp_path: Path) -> None:
    words = told(write_video(tmp_path / "fast.mp4", scene(30, size=(48, 72)), rate=3), world.run)
    assert "found 3 frames/s, of which one in 2 gives 1.5, expected the 2 frames/s" in words["rate"]
    words = told(write_video(tmp_path / "fast.mp4", scene(30, size=(48, 72)), rate=2 * RATE), world.run)
    assert words["rate"] == "one frame in 2 is scored, 2 a second"


def test_a_missing_or_foreign_calibration_is_said(world: World, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(world.run / "checkpoints", run / "checkpoints")
    assert told(world.video, run)["calibration"] == (
        f"none, so no alarm is raised; make one: python cli.py calibrate {run}"
    )
    make_checkpoint(run / "other.safetensors", size=(16, 24))
    assert told(world.video, run / "other.safetensors")["calibration"].startswith("none can be made")
    shutil.copy(world.run / "calibration.json", run)
    (run / "calibration.json").write_text("{}")
    assert "not a calibration" in told(world.video, run)["calibration"]


def test_int8_is_taken_where_it_lies_in_the_run_and_nothing_is_calibrated(
    world: World, tmp_path: Path
) -> None:
    pytest.importorskip("openvino")
    run = tmp_path / "run"
    shutil.copytree(world.run, run)
    (run / "int8").mkdir()
    (run / "int8" / "model.json").write_text("{}")
    assert "with torch in fp32" in told(world.video, run)["speed"]
    (run / "calibration.json").unlink()
    with pytest.raises(CheckpointError, match=r"int8/model\.json: not of an exported model"):
        told(world.video, run)


def test_a_folder_of_several_is_refused(world: World, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(world.video, tmp_path / name)
    with pytest.raises(ConfigError, match="found several files"):
        told(tmp_path, world.run)


@pytest.mark.parametrize("step", [2000, 300])
def test_video_without_a_window_ends_in_one_line(world: World, tmp_path: Path, step: int) -> None:
    """All frames too far apart; and two near one another, then a gap."""
    times = [number * step if step > 1000 else number // 2 * 5000 + number % 2 * step for number in range(8)]
    slow = write_video(tmp_path / "slow.mp4", scene(8, size=(48, 72)), rate=RATE, times=times)
    with pytest.raises(SourceError, match=r"found no 5 frames in a row of which each comes within 1 s"):
        told(slow, world.run)


def test_a_video_shorter_than_a_window_is_timed_again_and_again(world: World, tmp_path: Path) -> None:
    short = write_video(tmp_path / "short.mp4", scene(3, size=(48, 72)), rate=RATE)
    assert "frames/s on this machine's cpu" in told(short, world.run)["speed"]


def test_a_calibration_is_taken_with_its_own_memory_and_the_command_for_more_is_whole(
    world: World, tmp_path: Path
) -> None:
    run = tmp_path / "my run"
    shutil.copytree(world.run, run)
    record = load_calibration(Storage(str(run)))
    belongs = dataclasses.replace(record.belongs, memory="video", mask="5" * 64)
    dataclasses.replace(record, belongs=belongs, alarms_per_hour=0.1).save(Storage(str(run)))
    words = told(world.video, run)["calibration"]
    assert words.startswith("0.1 alarm")
    assert words.endswith(
        f"more: python cli.py calibrate '{run}' VIDEO... --add --memory video --mask MASK.png"
    )
