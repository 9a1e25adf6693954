"""`export` and the program that it writes, which needs neither PyTorch nor this project."""

import ast
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.export.config import ExportConfig, Format
from pipeline.export.example_text import example_text
from pipeline.export.run import export
from pipeline.runtimes.exported import load_exported
from pipeline.scoring.choices import Precision
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.videos import scene, write_video

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


@pytest.mark.parametrize(("format", "precision"), [("onnx", "bf16"), ("onnx", "int8"), ("torch", "int8")])
def test_a_precision_that_a_format_does_not_have_is_refused(format: Format, precision: Precision) -> None:
    with pytest.raises(ConfigError, match=f"--precision {precision}: found --format {format}, expected"):
        ExportConfig(checkpoint="none", out="out", format=format, precision=precision)


def test_the_example_opens_videos_but_no_playlist_that_names_them(tmp_path: Path) -> None:
    tree = ast.parse(example_text("onnx"))
    tree.body = [
        part for part in tree.body if isinstance(part, ast.FunctionDef) or "CONTAINERS" in ast.dump(part)
    ]
    names: dict[str, Any] = {"np": np, "Path": Path, "ABOUT": {"rate": None, "height": 32, "width": 32}}
    exec(compile(tree, "example.py", "exec"), names)
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
