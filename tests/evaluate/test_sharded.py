"""`evaluate` in several processes, and after being killed."""

import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from pipeline.evaluate import summary, target
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.job import Job
from pipeline.evaluate.run import evaluate
from pipeline.processes import distributed
from pipeline.scoring import parts, tablewriter
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.ranks import run_ranks
from tests.helpers.shards import make_set, smooth_frames

ROOT = Path(__file__).parents[2]
SIZE = (8, 16)
LENGTHS = (12, 7, 9, 6)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `shards` and `model.safetensors`."""
    root = tmp_path_factory.mktemp("work")
    videos = [smooth_frames(length, SIZE, seed=seed) for seed, length in enumerate(LENGTHS)]
    for frames in videos:
        frames[len(frames) // 2] //= 3
    labels = [frames.mean((1, 2, 3)) < 50 for frames in videos]
    make_set(root / "shards", {"training": [smooth_frames(12, SIZE)], "testing": videos}, labels=labels)
    make_checkpoint(root / "model.safetensors", size=SIZE)
    return root


def command(work: Path, out: Path, *options: str, processes: int = 1) -> list[str]:
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)] if processes > 1 else []
    inputs = [str(work / "shards"), str(work / "model.safetensors")]
    common = ["--out", str(out), "--device", "cpu", "--no-report"]
    return [sys.executable, *launcher, "cli.py", "evaluate", *inputs, *common, *options]


def config(work: Path, out: Path, **options: Any) -> EvaluateConfig:
    given = {"shards": str(work / "shards"), "checkpoint": str(work / "model.safetensors"), "report": False}
    return EvaluateConfig(**{**given, "out": str(out), **options})


def call(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=240)


def table(out: Path) -> pa.Table:
    rows = pq.read_table(out / "scores").replace_schema_metadata()
    return rows.sort_by([("video", "ascending"), ("frame", "ascending")])


def conclude_for_long(given: EvaluateConfig) -> str:
    """Evaluate where summing up takes longer than processes wait for one another."""

    def wait_for_parts(*args: Any) -> None:
        parts.wait_for_parts(*args)
        distributed.TIMEOUT = timedelta(seconds=6)
        torch.distributed.distributed_c10d._set_pg_timeout(distributed.TIMEOUT, torch.distributed.group.WORLD)

    def conclude(job: Job) -> summary.Summary:
        time.sleep(9)
        return summary.conclude(job)

    with (
        mock.patch("pipeline.evaluate.run.wait_for_parts", wait_for_parts),
        mock.patch("pipeline.evaluate.run.conclude", conclude),
    ):
        found = evaluate(given)
    return "" if found is None else found.out


@pytest.mark.ddp
def test_processes_wait_for_the_one_that_sums_up(work: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = config(work, out, memory="video", device="cpu")
    assert run_ranks(2, conclude_for_long, given) == [str(out), ""]
    assert (out / "metrics.json").exists()


@pytest.mark.ddp
@pytest.mark.parametrize(
    ("memory", "distance", "worlds"),
    [("video", "items", (2, 3)), ("frozen", "items", (3,)), ("video", "places", (2,))],
)
def test_several_processes_give_the_table_of_one(
    work: Path, tmp_path: Path, memory: str, distance: str, worlds: tuple[int, ...]
) -> None:
    evaluate(config(work, tmp_path / "one", memory=memory, distance=distance))
    expected = table(tmp_path / "one")
    assert expected.num_rows == sum(LENGTHS) - 4 * len(LENGTHS)
    for processes in worlds:
        out = tmp_path / str(processes)
        done = call(command(work, out, "--memory", memory, "--distance", distance, processes=processes))
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("scores: ") == 1  # one process speaks for all
        assert len(list((out / "scores").iterdir())) == processes
        assert table(out).equals(expected)


@pytest.mark.ddp
def test_only_the_part_of_a_process_that_died_is_redone(work: Path, tmp_path: Path) -> None:
    arguments = command(work, tmp_path, "--memory", "video", processes=2)
    assert call(arguments).returncode == 0
    expected = table(tmp_path)
    kept, lost = sorted((tmp_path / "scores").iterdir())
    before = kept.stat().st_mtime_ns
    lost.unlink()
    (tmp_path / "metrics.json").unlink()
    assert call(arguments).returncode == 0
    assert kept.stat().st_mtime_ns == before
    assert table(tmp_path).equals(expected)
    assert (tmp_path / "metrics.json").exists()


@pytest.mark.ddp
def test_a_carried_memory_in_several_processes_is_refused_with_the_reason(work: Path, tmp_path: Path) -> None:
    done = call(command(work, tmp_path, processes=2))
    assert done.returncode != 0
    assert "memory carry takes the memory from video to video in order" in done.stderr
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize("write", [1, 4])
def test_killed_while_it_writes_it_leaves_nothing_that_looks_whole_and_can_be_run_again(
    work: Path, tmp_path: Path, write: int
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    evaluate(config(work, undisturbed, report=True))
    # The program as it is, but the kernel kills it at the n-th file that it is about to make visible.
    script = (
        "import os, signal, sys, itertools; import shards.storage; from cli import main\n"
        f"calls = itertools.count(1); sync = os.fsync\n"
        "def fsync(handle):\n"
        f"    os.kill(os.getpid(), signal.SIGKILL) if next(calls) == {2 * write - 1} else sync(handle)\n"
        "os.fsync = fsync; main(sys.argv[1:])"
    )
    arguments = command(work, killed, "--report")
    arguments[1:2] = ["-c", script]
    assert call(arguments).returncode == -signal.SIGKILL
    assert not (killed / "metrics.json").exists()
    evaluate(config(work, killed, report=True))
    assert (killed / "metrics.json").exists()
    assert table(killed).equals(table(undisturbed))


@pytest.mark.parametrize(
    ("module", "victim"),
    [
        (tablewriter, "write_part"),
        (summary, "read_scores"),
        (summary, "compute_figures"),
        (target, "dump_config"),
    ],
)
def test_wherever_it_stops_there_are_no_metrics_and_a_rerun_gives_the_same(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, victim: str
) -> None:
    fresh = evaluate(config(work, tmp_path / "fresh"))
    out = tmp_path / "out"
    evaluate(config(work, out, alpha=0.1))  # results of another evaluation lie there

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, victim, stop)
        with pytest.raises(KeyboardInterrupt):
            evaluate(config(work, out))
    assert not (out / "metrics.json").exists()
    again = evaluate(config(work, out))
    assert again is not None
    assert fresh is not None
    assert table(out).equals(table(tmp_path / "fresh"))
    assert again.record.metrics == fresh.record.metrics
