"""`export` and the program that it writes, which needs neither PyTorch nor this project."""

import ast
import dataclasses
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import av
import numpy as np
import pytest

from mnad.automaton import Automaton
from mnad.evidence import TAU, CausalMean, Standard, alarming
from pipeline.errors import ConfigError
from pipeline.export.config import ExportConfig, Format
from pipeline.export.example_text import example_text
from pipeline.export.run import export
from pipeline.runs.calibration import load_calibration
from pipeline.runtimes.exported import load_exported
from pipeline.scoring.choices import Precision
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.videos import scene, write_video
from tests.helpers.yard import ALARMS_PER_HOUR, World, make_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


BLOCKED = """import sys, runpy
for name in ("torch", "mnad", "pipeline", "shards", "cv2", "onnx", "onnxscript"):
    sys.modules[name] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_alone(folder: Path, *arguments: str) -> str:
    """What example.py of a folder prints, where neither PyTorch nor this project can be imported."""
    command = [sys.executable, "-P", "-c", BLOCKED, str(folder / "example.py"), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_the_exported_model_is_loaded_here_and_its_example_runs_alone(tmp_path: Path, format: str) -> None:
    make_checkpoint(tmp_path / "model.safetensors", size=(32, 32))
    out = tmp_path / "out"
    summary = export(
        ExportConfig(checkpoint=str(tmp_path / "model.safetensors"), out=str(out), format=format)  # type: ignore[arg-type]
    )
    assert summary.record.check == "generated frames"
    assert load_exported(str(out)).record == summary.record
    moved = shutil.copytree(out, tmp_path / "elsewhere")
    assert run_alone(moved).startswith("check: ")
    write_video(tmp_path / "a.mp4", scene(9))
    assert len(run_alone(moved, str(tmp_path / "a.mp4")).splitlines()) == 9 - 5 + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"optimistic": True}, "Optimistic, for the model was trained on this video: "),
        ({"checkpoint": "ab" * 32}, "calibration is of the checkpoint with SHA-256 abababababab..., and"),
        ({"rate": 25.0}, "calibration is of 25 frames/s, and the model's scores are of 2 frames/s"),
        ({"memory": "video"}, "calibration is of memory video, and the model's scores are of memory frozen"),
        ({"alarms_per_hour": 1.0}, "the hours of the run's calibration do not carry its rate, so the model"),
    ],
    ids=["own", "optimistic", "checkpoint", "rate", "memory", "no promise"],
)
def test_levels_of_alarms_are_those_of_this_model_or_none(
    world: World, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    run = shutil.copytree(world.run, tmp_path / "run")
    record = load_calibration(Storage(run))
    other = {name: value for name, value in changes.items() if hasattr(record.belongs, name)}
    own = {name: value for name, value in changes.items() if name not in other}
    belongs = dataclasses.replace(record.belongs, **other)
    dataclasses.replace(record, belongs=belongs, **own).save(Storage(run))
    summary = export(ExportConfig(checkpoint=str(run), out=str(tmp_path / "out"), format="torch"))
    alarm = summary.record.alarm
    if other or "alarms_per_hour" in own:
        assert alarm is None
    else:
        assert alarm is not None
        assert (alarm.alarms_per_hour, alarm.optimistic) == (ALARMS_PER_HOUR, "optimistic" in own)
    notes = [note for note in summary.notes if "shard set" not in note]
    assert len(notes) == bool(said)
    assert all(said in note for note in notes)
    assert load_exported(str(tmp_path / "out")).record == summary.record


@pytest.mark.slow
def test_a_run_calibrated_for_profiles_alone_gives_no_levels(world: World, tmp_path: Path) -> None:
    run = shutil.copytree(world.run, tmp_path / "run")
    dataclasses.replace(load_calibration(Storage(run)), profile="night").save(Storage(run))
    (run / "calibration.json").unlink()
    summary = export(ExportConfig(checkpoint=str(run), out=str(tmp_path / "out"), format="torch"))
    assert summary.record.alarm is None
    assert any("the run has no calibration but those of profiles" in note for note in summary.notes)


@pytest.mark.parametrize(("format", "precision"), [("onnx", "bf16"), ("onnx", "int8"), ("torch", "int8")])
def test_a_precision_that_a_format_does_not_have_is_refused(format: Format, precision: Precision) -> None:
    with pytest.raises(ConfigError, match=f"--precision {precision}: found --format {format}, expected"):
        ExportConfig(checkpoint="none", out="out", format=format, precision=precision)


def parts_of_the_example(**names: Any) -> dict[str, Any]:
    """The functions and constants of an example, without its model."""
    tree = ast.parse(example_text("onnx"))
    kept = ("CONTAINERS", "GAP", "HOLD")
    tree.body = [
        part
        for part in tree.body
        if isinstance(part, ast.FunctionDef | ast.ClassDef)
        or (isinstance(part, ast.Assign) and ast.unparse(part.targets[0]) in kept)
    ]
    names = {"math": math, "np": np, "Path": Path, **names}
    exec(compile(tree, "example.py", "exec"), names)
    return names


def test_the_example_raises_the_alarms_of_score() -> None:
    rng = np.random.default_rng(3)
    # 10 frames/s; bursts of a few frames, and gaps of which some are longer than a second.
    steps = rng.choice([0.1, 0.6, 1.5], 2000, p=[0.96, 0.02, 0.02])
    seconds = np.cumsum(steps)
    bursts = np.convolve(rng.random(2000) < 0.01, np.ones(12), "same") > 0
    local = rng.normal(0, 0.5, (2000, 3)) + 4 * bursts[:, None]
    standard = Standard(mean=np.zeros(3), deviation=np.ones(3))
    levels = {"tau": TAU, "mean": [0.0] * 3, "deviation": [1.0] * 3, "on": 2.5, "off": 1.5}
    alarm = parts_of_the_example()["Alarm"](levels)
    mean, automaton = CausalMean(), Automaton(2.5, 1.5)
    found, expected = [], []
    for time, values in zip(seconds.tolist(), local, strict=True):
        means, has_settled = mean.push(time, values)
        evidence, _ = standard.evidence(means)
        automaton.push(time, float(alarming(evidence, np.array(has_settled))))
        unusual = alarm.push(time, values)
        assert unusual == pytest.approx(float(evidence))
        found.append(alarm.is_open)
        expected.append(automaton.open)
    assert found == expected
    assert np.diff(expected).sum() > 10


def test_the_example_takes_frames_that_have_no_time() -> None:
    class Frame:
        time = None

        def to_ndarray(self, format: str) -> np.ndarray:
            return np.zeros((8, 8, 3), np.uint8)

    file = mock.MagicMock()
    file.__enter__.return_value = file
    file.streams.video[0].average_rate = None
    file.decode.return_value = [Frame()] * 3
    names = parts_of_the_example(ABOUT={"rate": None, "height": 8, "width": 8})
    with mock.patch("av.open", return_value=file):
        assert [time for time, _ in names["frames"]("a.mp4")] == [0, 0.04, 0.08]


def test_the_example_opens_videos_but_no_playlist_that_names_them(tmp_path: Path) -> None:
    names = parts_of_the_example(ABOUT={"rate": None, "height": 32, "width": 32})
    write_video(tmp_path / "a.mp4", scene(3))
    assert len(list(names["frames"](str(tmp_path / "a.mp4")))) == 3
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n"
    for name, text in (
        ("b.m3u8", playlist),
        ("c.mp4", "ffconcat version 1.0\nfile a.mp4\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(av.FFmpegError):
            next(names["frames"](str(tmp_path / name)))


def test_the_example_names_no_module_of_this_project_but_for_pytorch() -> None:
    for format in ("onnx", "openvino"):
        text = example_text(format)
        compile(text, "example.py", "exec")
        assert not [name for name in ("torch", "mnad", "pipeline", "shards") if f"import {name}" in text]
    compile(example_text("torch"), "example.py", "exec")
