"""Throughput of scoring by runtime, precision and size, against one window at a time in contiguous float32.

    python benchmarks/runtimes.py [--sizes 64 256] [--frames 96 12] [--rounds 3]
    python benchmarks/runtimes.py --sizes 64 --frames 96 --checkpoint RUN --shards SET

Without a checkpoint weights are random; without a set, frames are of a generated walkway. The memory is
updated by half of the frames, as in benchmarks/evaluate.py. int8 is what `export` makes, with fewer windows
to learn ranges from, which are not scored. Rounds of all ways take turns, so that what else the machine does
falls on all of them alike; medians are printed, as ratios to the plain way. Both sizes take about six minutes
on two cores.
"""

import argparse
import importlib.util
import statistics
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evaluate import score, walkway
from mnad import MNAD, score_batch
from mnad.fusion import fuse
from pipeline.processes.allocator import keep_freed_memory
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.scoring.choices import Precision
from pipeline.scoring.runtime import network
from pipeline.scoring.scorer import largest_batch
from shards.manifest import load_manifest
from shards.storage import Storage
from shards.stream import evaluation_batches

CPU = torch.device("cpu")
CALIBRATION = 24
"""Windows that int8 learns from."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """How windows are scored.

    Attributes:
        model: that does.
        batch: windows at a time.
        autocasts: whether PyTorch computes in bf16.
    """

    model: MNAD
    batch: int
    autocasts: bool = False

    def score(self, windows: Tensor, threshold: float) -> tuple[np.ndarray, np.ndarray]:
        """PSNR and decisions."""
        return score(self.model, windows, threshold, batch=self.batch, bf16=self.autocasts)


def loaded(location: str, split: str, count: int, skip: int) -> Tensor:
    """Windows of a shard set, one in `skip`."""
    storage = Storage(location)
    manifest = load_manifest(storage)
    found: list[Tensor] = []
    for number, batch in enumerate(
        evaluation_batches(storage, manifest, split, window=5, batch=8, device=CPU, threads=1)  # type: ignore[arg-type]
    ):
        if number % skip == 0:
            found.append(batch.windows.clone())
        if 8 * len(found) >= count:
            break
    return torch.cat(found)[:count]


def compiled(model: MNAD) -> MNAD:
    """A model whose encoder and decoder torch.compile has compiled."""
    fused: MNAD = fuse(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fused.encoder.compile(dynamic=False)
    fused.decoder.compile(dynamic=False)
    return fused


def ways(model: MNAD, size: tuple[int, int], calibration: Tensor, *, compile: bool) -> dict[str, Way]:
    """All that this environment has, the plain way first."""
    batch = largest_batch(32, *size, CPU)
    found = {"plain: float32, contiguous, one window at a time": Way(model=model, batch=1)}
    kinds: list[tuple[str, Precision]] = [("torch", "fp32"), ("torch", "bf16")]
    if importlib.util.find_spec("onnxruntime") is not None:
        kinds += [("onnx", "fp32")]
    if importlib.util.find_spec("openvino") is not None:
        kinds += [("openvino", "fp32"), ("openvino", "bf16")]
    for runtime, precision in kinds:
        ready = network(model, size, CPU, runtime, precision)  # type: ignore[arg-type]
        found[f"{runtime} {precision}"] = Way(model=ready.model, batch=batch, autocasts=ready.autocasts)
    if importlib.util.find_spec("nncf") is not None:
        from pipeline.export.quantising import quantised

        ready = network(model, size, CPU, "openvino", "int8", lambda: quantised(model, size, calibration))
        found["openvino int8"] = Way(model=ready.model, batch=batch)
    if compile:
        found["torch.compile fp32"] = Way(model=compiled(model), batch=batch)
        found["torch.compile bf16"] = Way(model=compiled(model), batch=batch, autocasts=True)
    return found


def measure(options: argparse.Namespace, size: int, frames: int) -> None:
    """Print the table of one size."""
    torch.manual_seed(0)
    model = MNAD("pred").eval() if options.checkpoint is None else load_checkpoint(options.checkpoint).model()
    if options.shards is None:
        windows = walkway(frames, size)
        calibration = walkway(4 * CALIBRATION, size).flip(0)[:CALIBRATION]
    else:
        windows = loaded(options.shards, "testing", frames, 1)
        calibration = loaded(options.shards, "training", CALIBRATION, 8)
    every = ways(model, (size, size), calibration, compile=options.compile)
    points, _ = score_batch(model, windows, model.memory.items, -np.inf, guess=False)
    threshold = -np.inf if options.frozen else float(np.median(points.point_score))
    seconds: dict[str, list[float]] = {name: [] for name in every}
    results = {}
    for way in every.values():
        way.score(windows[: way.batch], threshold)  # warms up
    for _ in range(options.rounds):
        for name, way in every.items():
            started = time.perf_counter()
            results[name] = way.score(windows, threshold)
            seconds[name].append(time.perf_counter() - started)
    base = next(iter(every))
    psnr, decisions = results[base]
    print(
        f"\n{size}x{size}, {frames} frames, {100 * decisions.mean():.0f} % of which update the memory; "
        f"medians of {options.rounds} rounds, in brackets the best\n"
    )
    print("| | frames/s | ratio | PSNR, 99 % within | other decisions |")
    print("|---|---|---|---|---|")
    for name, times in seconds.items():
        moved = np.quantile(np.abs(results[name][0] - psnr), 0.99)
        ratio = statistics.median(seconds[base]) / statistics.median(times)
        print(
            f"| {name} | {frames / statistics.median(times):.3g} ({frames / min(times):.3g}) | {ratio:.2f} "
            f"({min(seconds[base]) / min(times):.2f}) | {moved:.1e} dB | "
            f"{(results[name][1] != decisions).sum()} of {frames} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256], help="height and width of frames")
    parser.add_argument("--frames", type=int, nargs="+", default=[96, 12], help="windows per round, per size")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--checkpoint")
    parser.add_argument("--shards")
    parser.add_argument("--frozen", action="store_true", help="no frame updates the memory")
    parser.add_argument("--compile", action="store_true", help="torch.compile, too, which takes minutes")
    options = parser.parse_args()
    keep_freed_memory()
    for size, frames in zip(options.sizes, options.frames, strict=True):
        measure(options, size, frames)


if __name__ == "__main__":
    main()
