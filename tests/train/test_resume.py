"""A run that was interrupted anywhere, and goes on, ends as one that was never interrupted, bit for bit."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from pipeline.processes.children import module_environment
from pipeline.processes.signals import SIGNALS
from pipeline.train.config import train_config
from pipeline.train.run import train
from pipeline.train.stopping import stop_request
from shards.choices import Split
from tests.helpers.commands import (
    TIMEOUT,
    children,
    command,
    held,
    metrics,
    release,
    run,
    started,
    wait_for_step,
)
from tests.helpers.shards import make_set, smooth_frames

STEPS_PER_EPOCH = 4
OPTIONS: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 4,
    "log_every": 1,
    "checkpoint_epochs": 1,
    "threads": 1,
    "precision": "fp32",  # auto's trial of speed may end otherwise in the run that is compared with
}
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in OPTIONS.items()]
FLAGS_OF_TWO = [flag for flag in FLAGS if "batch-size" not in flag] + ["--batch-size=2"]
"""For two processes that together do what one does."""


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def shard_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    videos: dict[Split, list[Any]] = {"training": [smooth_frames(12, (16, 16), seed=s) for s in (1, 2)]}
    make_set(folder, videos)
    return folder


@pytest.fixture(scope="module")
def unbroken(shard_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken")
    train(train_config(shards=str(shard_set), run=str(folder), **OPTIONS))
    return folder


@pytest.fixture(scope="module")
def unbroken_by_two(shard_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unbroken-by-two")
    whole = run(command("train", shard_set, folder, *FLAGS_OF_TWO, processes=2))
    assert whole.returncode == 0, whole.stderr
    return folder


def final_model(folder: Path) -> bytes:
    return max((folder / "checkpoints").glob("model-*")).read_bytes()


def losses(folder: Path) -> list[dict[str, Any]]:
    timing = ("samples_per_second", "data_wait")
    return [{k: v for k, v in line.items() if k not in timing} for line in metrics(folder)]


def assert_same_run(found: Path, expected: Path) -> None:
    assert losses(found) == losses(expected)
    assert final_model(found) == final_model(expected)


def held_at(step: int, folder: Path, args: list[str]) -> AbstractContextManager[subprocess.Popen[str]]:
    """A training that waits at the beginning of a step, see `held`."""
    return held(args, folder, "pipeline.train.step", "Trainer.step", call=step)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_asked_to_stop_within_an_epoch_saves_and_goes_on(
    number: signal.Signals, shard_set: Path, unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    args = command("train", shard_set, folder, *FLAGS)
    with held_at(STEPS_PER_EPOCH - 1, tmp_path, args) as process:
        process.send_signal(number)
        release(tmp_path)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith(f"error: {folder}: stopped by {number.name} after step")
    assert metrics(folder)[-1]["step"] == STEPS_PER_EPOCH - 1
    assert run(args).returncode == 0
    assert_same_run(folder, unbroken)


def test_a_stop_that_reaches_a_process_twice_is_one(shard_set: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with held_at(2, tmp_path, command("train", shard_set, folder, *FLAGS)) as process:
        for _ in range(2):  # from the scheduler, and from a launcher that passes it on
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
        release(tmp_path)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert err.splitlines()[-1].startswith(f"error: {folder}: stopped by SIGTERM after step")


SECOND_REQUEST = """
import signal, time
import pipeline.train.stopping as stopping

signal.signal(signal.SIGINT, signal.default_int_handler)
stopping.SAME_REQUEST_S = 0.0
with stopping.stop_request() as stop:
    try:
        signal.raise_signal(signal.SIGTERM)
        assert stop.signal == "SIGTERM"
        time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        print("ended")
"""

LATE_REQUEST = """
import signal
import pipeline.train.stopping as stopping

signal.signal(signal.SIGINT, signal.default_int_handler)
stopping.SAME_REQUEST_S = 3600.0
with stopping.stop_request():
    signal.raise_signal(signal.SIGINT)
signal.raise_signal(signal.SIGINT)
print("the same")
stopping.SAME_REQUEST_S = 0.0
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("ended", signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""


@pytest.mark.parametrize(
    ("code", "prints"), [(SECOND_REQUEST, "ended\n"), (LATE_REQUEST, "the same\nended True\n")]
)
def test_a_second_request_to_stop_ends_at_once_and_one_passed_on_late_does_not(
    code: str, prints: str
) -> None:
    words = [sys.executable, "-P", "-c", code]
    done = subprocess.run(words, env=module_environment(), capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stdout == prints, done.stderr


def test_without_a_request_signals_do_afterwards_what_they_did_before() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_request():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    shard_set: Path, unbroken: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    args = command("train", shard_set, folder, *FLAGS)
    with held_at(STEPS_PER_EPOCH + 3, tmp_path, args) as process:
        process.kill()
        process.wait()
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "st')  # as if killed while writing
    (folder / "checkpoints/.tmp-half").write_bytes(b"half a checkpoint")
    assert run(args).returncode == 0
    assert_same_run(folder, unbroken)
    assert not list((folder / "checkpoints").glob(".tmp-*"))


def test_a_run_is_trained_by_one_at_a_time(shard_set: Path, unbroken: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    args = command("train", shard_set, folder, *FLAGS)
    with held_at(2, tmp_path, args) as process:
        second = run(args)
        release(tmp_path)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    assert second.returncode == 1
    assert second.stderr.splitlines()[-1].startswith(f"error: {folder}: found another training under way")
    assert_same_run(folder, unbroken)


def test_a_finished_run_is_left_as_it_is(shard_set: Path, unbroken: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (unbroken / "checkpoints").iterdir()}
    summary = train(train_config(shards=str(shard_set), run=str(unbroken), **OPTIONS))
    assert summary.samples == 0
    assert {path: path.stat().st_mtime_ns for path in (unbroken / "checkpoints").iterdir()} == before


@pytest.mark.ddp
@pytest.mark.slow
def test_a_job_that_is_stopped_saves_in_all_its_processes(
    shard_set: Path, unbroken_by_two: Path, tmp_path: Path
) -> None:
    args = command("train", shard_set, tmp_path, *FLAGS_OF_TWO, processes=2)
    with started(args) as launcher:
        wait_for_step(tmp_path, 2, launcher)
        for process in (*workers(launcher.pid), launcher.pid):  # as a scheduler does; torchrun passes it on
            os.kill(process, signal.SIGTERM)
            time.sleep(0.05)
        _, err = launcher.communicate(timeout=TIMEOUT)
    assert f"{tmp_path}: stopped by SIGTERM after step" in err
    assert metrics(tmp_path)[-1]["step"] < 2 * STEPS_PER_EPOCH, "came at the end, so this says nothing"
    assert run(args).returncode == 0
    assert_same_run(tmp_path, unbroken_by_two)


@pytest.mark.ddp
@pytest.mark.slow
def test_torchrun_goes_on_after_a_process_died(
    shard_set: Path, unbroken_by_two: Path, tmp_path: Path
) -> None:
    args = command("train", shard_set, tmp_path, *FLAGS_OF_TWO, processes=2, restarts=1)
    with started(args) as launcher:
        wait_for_step(tmp_path, STEPS_PER_EPOCH + 1, launcher)
        os.kill(workers(launcher.pid)[1], signal.SIGKILL)
        _, err = launcher.communicate(timeout=TIMEOUT)
    assert launcher.returncode == 0, err
    assert_same_run(tmp_path, unbroken_by_two)


def workers(launcher: int) -> list[int]:
    """The training processes that torchrun started, by rank."""
    found = {}
    for child in children(launcher):
        environment = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        ranks = [int(value[5:]) for value in environment if value.startswith(b"RANK=")]
        if ranks:
            found[ranks[0]] = child
    return [found[rank] for rank in sorted(found)]
