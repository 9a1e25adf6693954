"""A machine that is lost shrinks a job of `torchrun --nnodes 1:2` instead of ending it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.runs.checkpoint import load_checkpoint
from tests.helpers.commands import TIMEOUT, children, metrics, started, wait_for_step
from tests.helpers.servers import held_port
from tests.helpers.shards import make_set, smooth_frames

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

STEPS_PER_EPOCH, EPOCHS = 4, 6
WAITS = "last_call_timeout=15,keep_alive_interval=3,keep_alive_max_attempt=3"
"""Seconds for who may still come, and between the signs of life of which so many may be missing. With
torchrun's own values of the latter it is 45 s until the job goes on."""


def agent(port: int, *args: object, is_host: bool) -> list[str]:
    """One machine's command: an agent and the one process that it starts; the host keeps the store."""
    meeting = ["--rdzv-backend=c10d", f"--rdzv-endpoint=127.0.0.1:{port}", "--rdzv-id=run"]
    meeting += [f"--rdzv-conf={WAITS},is_host={is_host}"]
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes=1:2", "--nproc-per-node=1"]
    return [*launcher, *meeting, "--max-restarts=3", "cli.py", *map(str, args)]


def lose(machine: subprocess.Popen[str]) -> None:
    """Kill an agent and its process, which is in a session of its own, at once."""
    (worker,) = children(machine.pid)
    for pid in (machine.pid, worker):
        os.kill(pid, signal.SIGKILL)


def test_what_is_left_goes_on_with_the_share_of_a_machine_that_was_lost(tmp_path: Path) -> None:
    videos = [smooth_frames(12, (16, 16), seed=seed) for seed in (1, 2)]
    make_set(tmp_path / "shards", {"training": videos})
    run = tmp_path / "run"
    flags = ["--batch-size=2", "--log-every=1", "--threads=1", "--precision=fp32"]
    flags += [f"--epochs={EPOCHS}", "--checkpoint-epochs=1"]
    with held_port() as port:
        one, two = (
            agent(port, "train", tmp_path / "shards", run, *flags, is_host=host) for host in (True, False)
        )
        with started(one) as first, started(two) as second:
            wait_for_step(run, STEPS_PER_EPOCH + 1, first)
            lose(second)
            _, errors = first.communicate(timeout=TIMEOUT)
            assert first.returncode == 0, errors
    assert "processes: 1, at the start 2; each serves up to 2 of the run's 2 virtual ranks" in errors
    assert [line["step"] for line in metrics(run) if line["kind"] == "step"] == list(
        range(1, EPOCHS * STEPS_PER_EPOCH + 1)
    )
    checkpoint = load_checkpoint(str(run))
    assert checkpoint.step == EPOCHS * STEPS_PER_EPOCH
