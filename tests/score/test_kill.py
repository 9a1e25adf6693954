"""The command itself: killed at any moment and run again it gives the same events; its exit codes."""

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from tests.helpers.commands import TIMEOUT, command, run, started
from tests.helpers.yard import World


def score(world: World, out: Path, *options: object) -> list[str]:
    return command("score", world.video, "--checkpoint", world.run, "--out", out, "--device", "cpu", *options)


@pytest.fixture(scope="module")
def undisturbed(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = run(score(world, out, "--fail-on-alarm"))
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith("2 events in 0:01:00 (at most 150 expected per hour)")
    return out


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["config.toml", "cam/score.json", "cam/events.jsonl", "cam/clips"])
def test_the_command_killed_and_run_again_gives_the_same_events(
    world: World, undisturbed: Path, tmp_path: Path, seen: str
) -> None:
    out = tmp_path / "out"
    with started(score(world, out)) as process:
        deadline = time.monotonic() + TIMEOUT
        while not (out / seen).exists() and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):  # it may have ended meanwhile
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    done = run(score(world, out))
    assert done.returncode == 0, done.stderr
    for name in ("events.jsonl", "events.json"):
        assert (out / "cam" / name).read_bytes() == (undisturbed / "cam" / name).read_bytes()
    left = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert left == {p.relative_to(undisturbed).as_posix() for p in undisturbed.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_without_a_calibration_the_command_that_is_missing_is_named(world: World, tmp_path: Path) -> None:
    bare = tmp_path / "run"
    shutil.copytree(world.run / "checkpoints", bare / "checkpoints")
    args = score(World(run=bare, video=world.video), tmp_path / "out", "--no-overlay")
    done = run(args)
    assert done.returncode == 0
    assert f"no alarm is raised; make one: python cli.py calibrate {bare}" in done.stderr
    assert len(done.stdout.splitlines()) == 1

    done = run([*args, "--fail-on-alarm"])
    assert done.returncode == 1
    assert done.stderr.startswith("error: --fail-on-alarm: no calibration, so no alarm is raised; make one: ")
