"""Commands that need no network start without what networks need."""

import subprocess
import sys
from pathlib import Path

import pytest

import cli
from mnad.networks import STRIDE
from pipeline.sizes import SIZE_STEP
from tests.helpers.commands import ROOT
from tests.helpers.shards import make_set, random_frames
from tests.helpers.videos import scene, write_video

HEAVY = {"torch", "sklearn", "matplotlib", "webdataset"}


def packages_after(code: str, *arguments: object) -> set[str]:
    """The top-level packages that `code`, run with `arguments`, has imported; it must not fail."""
    report = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    command = [sys.executable, "-c", report + code, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {module.split(".")[0] for module in done.stderr.splitlines()[-1].split()}


def packages_of_command(*arguments: object) -> set[str]:
    return packages_after("import cli; cli.main()", *arguments)


@pytest.mark.parametrize("name", ["", *cli.main.commands])
def test_help_imports_nothing_that_takes_long(name: str) -> None:
    assert not packages_of_command(*name.split(), "--help") & {*HEAVY, "numpy", "pyarrow", "cv2"}


def test_preprocess_imports_no_torch(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a.mp4", scene(6))
    used = packages_of_command("preprocess", tmp_path / "source", tmp_path / "shards", "--size", 16)
    assert "pyarrow" in used
    assert not used & HEAVY


def test_a_worker_imports_no_torch_and_shows_no_progress() -> None:
    used = packages_after("import pipeline.preprocess.worker, pipeline.preprocess.work")
    assert "av" in used
    assert not used & {*HEAVY, "rich"}


def test_processes_that_only_score_import_neither_curves_nor_plots() -> None:
    assert not packages_after("import pipeline.evaluate.run") & {"sklearn", "scipy", "matplotlib"}


def test_inspect_and_synthesize_import_no_torch(tmp_path: Path) -> None:
    make_set(tmp_path / "shards", {"training": [random_frames(8)]})
    assert not packages_of_command("inspect", tmp_path / "shards") & HEAVY
    clips = ("--training-clips", 1, "--testing-clips", 1, "--frames", 40)
    assert not packages_of_command("synthesize", tmp_path / "set", *clips) & HEAVY


def test_the_step_of_sizes_is_that_of_the_networks() -> None:
    assert SIZE_STEP == STRIDE
