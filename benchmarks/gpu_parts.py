"""The parts of gpu.py, each run as a process of its own: `python benchmarks/gpu_parts.py PART OPTIONS`.

OPTIONS is a JSON object of gpu.py's options; the last line on standard output is the part's result, as JSON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import torch
from torch import Tensor

from material import make_set, scene
from mnad import MNAD
from pipeline.processes.distributed import Process
from pipeline.runs.evaluation import load_record
from pipeline.train.config import train_config
from pipeline.train.metrics import LossHistory
from pipeline.train.step import Trainer
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream

ROOT = Path(__file__).parents[1]
GFLOP_PER_SAMPLE = 282
"""Of one training sample of the prediction network at 256x256, forward and backward."""


def synchronise(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_per_call(work: Callable[[], object], device: torch.device, budget: float = 5.0) -> float:
    """Mean over as many calls as fit the budget, after three for warming up."""
    for _ in range(3):
        work()
    synchronise(device)
    started, calls = time.perf_counter(), 0
    while time.perf_counter() - started < budget:
        for _ in range(5):
            work()
        synchronise(device)
        calls += 5
    return (time.perf_counter() - started) / calls


def matrix_peak(device: torch.device, dtype: torch.dtype) -> float:
    """TFLOP/s of a large square product."""
    side = 8192 if device.type == "cuda" else 512
    matrix = torch.randn(side, side, device=device, dtype=dtype)
    return 2 * side**3 / seconds_per_call(lambda: matrix @ matrix, device, 2.0) / 1e12


def part_step(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Speed of the step alone."""
    peaks = {
        "bf16": matrix_peak(device, torch.bfloat16),
        "fp32": matrix_peak(device, torch.float32),
    }
    rows: dict[str, Any] = {}
    first, last = arguments.batches[0], arguments.batches[-1]
    cases = [("bf16", batch, False) for batch in arguments.batches]
    cases += [("fp32", first, False), ("bf16", first, True), ("bf16", last, True)]
    for name, batch, compiled in cases:
        trainer = make_trainer(name, batch, device, compiled=compiled)
        windows = torch.rand(batch, 5, 3, arguments.size, arguments.size, device=device) * 2 - 1
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        case = f"{name} batch {batch}{' compiled' if compiled else ''}"
        try:
            seconds = seconds_per_call(partial(trainer.step, windows), device)
        except RuntimeError as error:  # a card too small for the batch, a compiler that is not there
            rows[case] = {"failed": str(error).splitlines()[0]}
            continue
        speed = batch / seconds
        work = GFLOP_PER_SAMPLE * (arguments.size / 256) ** 2 * speed / 1e3
        rows[case] = {
            "samples_per_second": speed,
            "tflop_per_second": work,
            "share_of_matrix_peak": work / peaks[name],
            "memory_gib": torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None,
        }
        del trainer, windows
    return {"matrix_peak_tflop_per_second": peaks, **rows}


def make_trainer(name: str, batch: int, device: torch.device, *, compiled: bool = False) -> Trainer:
    """A trainer of the prediction network."""
    torch.backends.cudnn.benchmark = True
    config = train_config(shards="", run="", precision=name, batch_size=batch, compile=compiled)
    return Trainer(MNAD("pred").to(device), config, Process(rank=0, world=1, device=device))


def part_stream(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Speed of the loader alone, and of training that it feeds."""
    batch = arguments.batches[len(arguments.batches) // 2]
    frames = 164 if device.type == "cuda" else 36
    with tempfile.TemporaryDirectory() as name:
        videos = [scene(frames, size=(arguments.size, arguments.size), seed=seed) for seed in range(8)]
        manifest = make_set(name, {"training": videos}, window=5)
        stream = TrainingStream(
            Storage(name), manifest, "training", window=5, device=device, threads=arguments.threads
        )

        def batches() -> Generator[Tensor]:
            for epoch in range(1_000_000):
                plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=batch)
                yield from stream.batches(plan)

        source = batches()
        loading = seconds_per_call(lambda: next(source), device)
        trainer = make_trainer("bf16", batch, device)
        history = LossHistory(1, 0, Process(rank=0, world=1, device=device))
        training = seconds_per_call(lambda: history.record(0, trainer.step(next(source))), device)
        source.close()
    return {
        "batch": batch,
        "loader_windows_per_second": batch / loading,
        "training_samples_per_second": batch / training,
    }


def part_paper(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """The paper's run on real video, by the commands that a user gives."""
    with tempfile.TemporaryDirectory() as name:
        shards, run = f"{name}/shards", f"{name}/run"

        def command(*parts: object) -> float:
            started = time.perf_counter()
            words = [sys.executable, "cli.py", *map(str, parts)]
            subprocess.run(words, cwd=ROOT, check=True, stdout=sys.stderr)
            return time.perf_counter() - started

        chosen = ("--device", device.type)

        def evaluated(kind: str) -> float:
            output = ("--out", f"{name}/{kind}", "--no-report")
            return command("evaluate", shards, run, *output, "--precision", kind, *chosen)

        kinds = ("fp32", "bf16")
        seconds = {
            # PyAV decodes and no picture is drawn, so that neither decord nor matplotlib has to be there.
            "preprocess": command(
                "preprocess", arguments.ped2, shards, "--size", arguments.size, "--decoder", "pyav"
            ),
            "train": command(
                "train", shards, run, "--preset", "paper-ped2", "--epochs", arguments.epochs, *chosen
            ),
            **{f"evaluate {kind}": evaluated(kind) for kind in kinds},
        }
        records = {kind: load_record(Storage(f"{name}/{kind}")) for kind in kinds}
        lines = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
        speeds = [line["samples_per_second"] for line in lines if line["kind"] == "step"]
        return {
            "seconds": seconds,
            "training_samples_per_second": float(np.median(speeds)),
            "evaluation_frames_per_second": {
                kind: record.timing.frames_per_second for kind, record in records.items()
            },
            "auc": {kind: record.auc for kind, record in records.items()},
        }


def part_tests(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """What pytest says in its last line, and what the tests measured."""
    # Only their files: others import packages that a GPU machine may lack.
    files = [path for path in ROOT.glob("tests/**/test_*.py") if "pytest.mark.gpu" in path.read_text()]
    with tempfile.TemporaryDirectory() as name:
        report = Path(name, "report.xml")
        words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", f"--junitxml={report}"]
        words += map(str, sorted(files))
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        print(done.stdout, file=sys.stderr)
        if done.returncode not in (0, 5):  # 5: no test was chosen
            raise RuntimeError(done.stdout.strip().splitlines()[-1])
        cases = ElementTree.parse(report).iter("testcase")
    measured = {
        case.attrib["name"]: {found.attrib["name"]: found.attrib["value"] for found in case.iter("property")}
        for case in cases
    }
    return {
        "pytest": done.stdout.strip().splitlines()[-1],
        **{name: figures for name, figures in measured.items() if figures},
    }


PARTS = {
    "tests": part_tests,
    "step": part_step,
    "stream": part_stream,
    "paper": part_paper,
}


def main() -> None:
    """Run one part."""
    part, options = sys.argv[1:]
    arguments = argparse.Namespace(**json.loads(options))
    print(json.dumps(PARTS[part](arguments, torch.device(arguments.device))))


if __name__ == "__main__":
    main()
