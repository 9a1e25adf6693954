"""Everything that only a GPU can show, in one command.

    python benchmarks/gpu.py PED2 [--out artifacts/gpu] [--size 256] [--epochs 60] [--only golden,step]

PED2 is a folder that `preprocess` reads, with frame labels. Each part runs as a process of its own within its
own time limit; what one of them fails at does not stop the others. Results are printed, and written as
gpu.json and gpu.md. `--device cpu` tries the script itself where there is no GPU, best with a small `--size`.

tests     tests that need a CUDA device
golden    the published implementation's values, in fp32, bf16 and fp16
step      training samples/s and peak memory by batch size, and the share of the card's matrix peak
stream    windows/s out of shards onto the device, and training samples/s end to end
paper     PED2 at full size: preprocess, the paper's training, evaluation; times and AUC
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from mnad import MNAD, score_batch
from pipeline.distributed import Process
from pipeline.train import precision
from pipeline.train.config import train_config
from pipeline.train.metrics import LossHistory
from pipeline.train.step import Trainer
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream
from tests.helpers import golden
from tests.helpers.shards import make_set, smooth_frames

ROOT = Path(__file__).parents[1]
LIMITS = {"tests": 300, "golden": 300, "step": 600, "stream": 300, "paper": 1500}
"""Seconds that each part may take."""
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


def part_golden(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Largest differences of evaluation from the golden values."""
    torch.backends.cudnn.allow_tf32 = False
    expected, meta = golden.load()
    found: dict[str, Any] = {}
    for task in ("pred", "recon"):
        for name in ("fp32", "bf16", "fp16"):
            model = golden.model(task, meta["seed"]).eval().to(device)
            items, parts = model.memory.items, []
            for k in range(3):
                clip = golden.video(24, meta["height"], meta["width"], meta["seed"] + k)
                windows = golden.windows(clip, golden.WINDOW[task]).to(device)
                with precision.autocast(name, device):
                    scores, items = score_batch(model, windows, items, meta[f"{task}_threshold"])
                parts.append(scores)
            psnr = np.concatenate([part.psnr for part in parts])
            distance = np.concatenate([part.feature_distance for part in parts])
            updated = np.concatenate([part.memory_updated for part in parts])
            reference = expected[f"{task}_eval_feature_distance"]
            found[f"{task} {name}"] = {
                "psnr_db": float(np.abs(psnr - expected[f"{task}_eval_psnr"]).max()),
                "feature_distance_relative": float(np.abs(distance / reference - 1).max()),
                "other_decisions": int((updated != expected[f"{task}_eval_updated"]).sum()),
                "memory": float(np.abs(items.cpu().numpy() - expected[f"{task}_eval_memory"]).max()),
            }
    return found


def part_step(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Speed of the step alone."""
    peaks = {
        "bf16": matrix_peak(device, torch.bfloat16),
        "fp32": matrix_peak(device, torch.float32),
    }
    rows = {}
    cases = [("bf16", batch) for batch in arguments.batches] + [("fp32", arguments.batches[0])]
    for name, batch in cases:
        trainer = make_trainer(name, batch, device)
        windows = torch.rand(batch, 5, 3, arguments.size, arguments.size, device=device) * 2 - 1
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        seconds = seconds_per_call(lambda t=trainer, w=windows: t.step(w), device)
        speed = batch / seconds
        work = GFLOP_PER_SAMPLE * (arguments.size / 256) ** 2 * speed / 1e3
        rows[f"{name} batch {batch}"] = {
            "samples_per_second": speed,
            "tflop_per_second": work,
            "share_of_matrix_peak": work / peaks[name],
            "memory_gib": torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None,
        }
        del trainer, windows
    return {"matrix_peak_tflop_per_second": peaks, **rows}


def make_trainer(name: str, batch: int, device: torch.device) -> Trainer:
    """A trainer of the prediction network."""
    torch.backends.cudnn.benchmark = True
    config = train_config(shards="", run="", precision=name, batch_size=batch)
    return Trainer(MNAD("pred").to(device), config, Process(rank=0, world=1, device=device))


def part_stream(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """Speed of the loader alone, and of training that it feeds."""
    batch = arguments.batches[len(arguments.batches) // 2]
    frames = 164 if device.type == "cuda" else 36
    with tempfile.TemporaryDirectory() as name:
        videos = [smooth_frames(frames, (arguments.size, arguments.size), seed=seed) for seed in range(8)]
        manifest = make_set(name, {"training": videos}, window=5)
        stream = TrainingStream(
            Storage(name), manifest, "training", window=5, device=device, threads=arguments.threads
        )

        def batches() -> Iterator[Tensor]:
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
        seconds = {
            "preprocess": command("preprocess", arguments.ped2.absolute(), shards, "--size", arguments.size),
            "train": command(
                "train", shards, run, "--preset", "paper-ped2", "--epochs", arguments.epochs, *chosen
            ),
            "evaluate": command("evaluate", shards, run, "--out", f"{name}/evaluation", *chosen),
        }
        metrics = json.loads(Path(name, "evaluation/metrics.json").read_text())
        lines = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]
        speeds = [line["samples_per_second"] for line in lines if line["kind"] == "step"]
        return {
            "seconds": seconds,
            "training_samples_per_second": float(np.median(speeds)),
            "evaluation_frames_per_second": metrics["timing"]["frames_per_second"],
            "auc": metrics["auc"],
        }


def part_tests(arguments: argparse.Namespace, device: torch.device) -> dict[str, Any]:
    """What pytest says in its last line."""
    words = [sys.executable, "-m", "pytest", "-q", "-m", "gpu"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout, file=sys.stderr)
    if done.returncode not in (0, 5):  # 5: no test was chosen
        raise RuntimeError(done.stdout.strip().splitlines()[-1])
    return {"pytest": done.stdout.strip().splitlines()[-1]}


PARTS = {
    "tests": part_tests,
    "golden": part_golden,
    "step": part_step,
    "stream": part_stream,
    "paper": part_paper,
}


def run_part(name: str) -> dict[str, Any]:
    """One part in a process of its own, with this process's arguments."""
    try:
        done = subprocess.run(
            [sys.executable, __file__, *sys.argv[1:], "--part", name],
            stdout=subprocess.PIPE,
            text=True,
            timeout=LIMITS[name],
            check=True,
        )
        result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {LIMITS[name]} s"}
    except subprocess.CalledProcessError as error:
        return {"failed": f"exit code {error.returncode}"}
    return result


def rows(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Nested results as rows of a table."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from rows(f"{prefix} · {key}" if prefix else key, inner)
    else:
        yield prefix, f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Run all parts, or one of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("ped2", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "artifacts/gpu")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 8, 16, 32, 64])
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if arguments.part:
        print(json.dumps(PARTS[arguments.part](arguments, device)))
        return
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    results: dict[str, Any] = {"device": name, "torch": torch.__version__}
    for part in arguments.only.split(","):
        started = time.perf_counter()
        results[part] = run_part(part)
        print(f"{part}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "gpu.json").write_text(json.dumps(results, indent=1) + "\n")
    table = ["| what | result |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows("", results))]
    (arguments.out / "gpu.md").write_text("\n".join(table) + "\n")
    print("\n".join(table))
    if any("failed" in results[part] for part in arguments.only.split(",")):
        sys.exit(1)


if __name__ == "__main__":
    main()
