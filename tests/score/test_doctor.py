"""Doctor says in a few lines what fits, what does not, and what to do about it."""

import shutil
from pathlib import Path

import pytest

from pipeline.errors import CheckpointError, ConfigError
from pipeline.score.config import DoctorConfig
from pipeline.score.doctor import diagnose
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
