"""Killed at any moment and run again, preprocess ends with the bytes of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.worker import Worker
from tests.helpers.commands import TIMEOUT, children, held, is_running, release, wait_for_file
from tests.helpers.jobs import job_line
from tests.helpers.shards import set_bytes
from tests.helpers.videos import surveillance_set, write_video

COMMAND = [sys.executable, "cli.py", "preprocess"]


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_no_byte(tmp_path: Path) -> None:
    source = tmp_path / "source"
    surveillance_set(source, training=5, testing=5, frames=200, size=(120, 160))
    options = [str(source), "--size", "128", "--workers", "2"]
    subprocess.run([*COMMAND, *options, str(tmp_path / "undisturbed")], check=True, capture_output=True)
    shards = tmp_path / "shards"
    moments = random.Random(0)
    killed = 0
    workers: list[int] = []
    # Kills while it starts, after some new file (a half-written one too), and while it ends.
    for watched in ("", *["**/*"] * 5, "segments-*"):
        process = subprocess.Popen(
            [*COMMAND, *options, str(shards)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        before = _files(shards, watched) if watched else set()
        while watched and process.poll() is None and _files(shards, watched) <= before:
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.01 if watched == "segments-*" else 0.1))
        killed += process.poll() is None
        workers += children(process.pid)
        process.kill()
        process.wait()
        for path in shards.glob("*.tar"):
            assert path.read_bytes() == (tmp_path / "undisturbed" / path.name).read_bytes()
    assert killed >= 4
    subprocess.run([*COMMAND, *options, str(shards)], check=True, capture_output=True)
    deadline = time.monotonic() + 60
    while any(map(is_running, workers)):  # those of killed runs notice within a heartbeat
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert set_bytes(shards) == set_bytes(tmp_path / "undisturbed")


def _files(folder: Path, pattern: str) -> set[Path]:
    """What a pattern finds now; nothing while folders in it come and go."""
    try:
        return set(folder.glob(pattern))
    except FileNotFoundError:
        return set()


def test_two_at_once_into_one_folder_are_one_and_a_refusal(tmp_path: Path) -> None:
    source, shards = tmp_path / "source", tmp_path / "shards"
    surveillance_set(source, training=3, testing=1, frames=40)
    options = [*COMMAND, str(source), "--size", "64", "--workers", "1"]
    subprocess.run([*options, str(tmp_path / "undisturbed")], check=True, capture_output=True)
    with held([*options, str(shards)], tmp_path, "pipeline.preprocess.run", "assembled") as first:
        (shards / ".tmp-of-the-first").write_bytes(b"half")
        second = subprocess.run([*options, str(shards)], capture_output=True, text=True)
        assert (shards / ".tmp-of-the-first").exists()  # the second did not tidy up under the first
        release(tmp_path)
        _, errors = first.communicate(timeout=TIMEOUT)
    assert first.returncode == 0, errors
    assert second.returncode == 1
    assert second.stderr.startswith(
        f"error: {shards}: found another preprocess under way in it, expected none"
    )
    assert second.stderr.count("\n") == 1
    assert set_bytes(shards) == set_bytes(tmp_path / "undisturbed")


def test_a_killed_one_does_not_keep_the_folder(tmp_path: Path) -> None:
    source, shards = tmp_path / "source", tmp_path / "shards"
    surveillance_set(source, training=2, testing=1, frames=40)
    options = [*COMMAND, str(source), "--size", "64", "--workers", "2"]
    with subprocess.Popen([*options, str(shards)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        wait_for_file(shards / "config.toml", first)
        first.kill()
    again = subprocess.run([*options, str(shards)], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize("config", ["[train]\nepochs = 3\n", "title = 'my site'\n", "not TOML"])
def test_the_config_of_something_else_is_not_written_over(tmp_path: Path, config: str) -> None:
    surveillance_set(tmp_path / "source", training=1, testing=1)
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "config.toml").write_text(config)
    with pytest.raises(ConfigError, match=r"shards/config\.toml: not of preprocess"):
        preprocess(PreprocessConfig(source=str(tmp_path / "source"), shards=str(shards), size=(16, 16)))
    assert {path.name: path.read_text() for path in shards.iterdir()} == {"config.toml": config}


def test_a_worker_that_dies_takes_only_its_video(tmp_path: Path) -> None:
    worker = Worker(stall_seconds=30)
    with worker:
        source = write_video(tmp_path / "source" / "a.mp4", [np.zeros((64, 96, 3), np.uint8)] * 1500)
        job = job_line(source.parent, tmp_path / "shards")

        def die(frames: int, expected: int) -> None:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGABRT)

        with pytest.raises(SourceError, match=r"^a: the decoder died of SIGABRT .*after \d+ frames"):
            worker.run("a", job, die)
        worker.run("a", job, lambda frames, expected: None)
    assert list((tmp_path / "shards/parts").glob("*.part.json"))


def test_a_worker_that_hangs_is_given_up(tmp_path: Path) -> None:
    source = write_video(tmp_path / "source" / "a.mp4", [np.zeros((64, 96, 3), np.uint8)] * 1500)
    with Worker(stall_seconds=3) as worker:

        def hang(frames: int, expected: int) -> None:
            assert worker.pid is not None
            os.kill(worker.pid, signal.SIGSTOP)

        with pytest.raises(SourceError, match="a: the decoder hung for 3 s"):
            worker.run("a", job_line(source.parent, tmp_path / "shards"), hang)


def test_what_earlier_runs_left_half_done_is_cleared_away(tmp_path: Path) -> None:
    surveillance_set(tmp_path / "source", training=1, testing=1)
    shards = tmp_path / "shards"
    config = PreprocessConfig(source=str(tmp_path / "source"), shards=str(shards), size=(16, 16), workers=1)
    preprocess(config)
    before = set_bytes(shards)
    (shards / ".tmp-half").write_bytes(b"x")
    (shards / "training-99-0a1b2c3d-0000-0123456789abcdef.tar").write_bytes(b"x")
    (shards / "notes.txt").write_text("mine")
    preprocess(config)
    assert set_bytes(shards) == {**before, "notes.txt": b"mine"}
    assert list(shards.glob("stamps-*"))
