"""Throughput of evaluation, against scoring one window at a time in contiguous float32.

    python benchmarks/evaluate.py --size 64 --frames 64

Rounds of all ways alternate, so that what else the machine does falls on all of them alike; medians are
printed, as ratios to the plain way. Weights are random, the threshold is the median of the point scores,
so that decisions mix as much as they can.
"""

import argparse
import statistics
import time

import numpy as np
import torch
from torch import Tensor

from mnad import MNAD, score_batch
from mnad.fusion import fuse


def score(
    model: MNAD, windows: Tensor, threshold: float, *, batch: int, bf16: bool
) -> tuple[np.ndarray, np.ndarray]:
    """PSNR and decisions of all windows, in order."""
    items, guess = model.memory.items, True
    psnr, decisions = [], []
    for part in windows.split(batch):
        with torch.autocast(part.device.type, torch.bfloat16, enabled=bf16):
            scores, items = score_batch(model, part, items, threshold, guess=guess)
        guess = bool(scores.memory_updated[-1])
        psnr.append(scores.psnr)
        decisions.append(scores.memory_updated)
    return np.concatenate(psnr), np.concatenate(decisions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=64, help="height and width of frames")
    parser.add_argument("--frames", type=int, default=64, help="windows per round")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    plain = MNAD("pred").eval().to(options.device)
    batched = fuse(plain).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    frames = torch.rand(options.frames + 4, 3, options.size, options.size, device=options.device) * 2 - 1
    frames *= torch.rand(len(frames), 1, 1, 1, device=options.device)
    windows = frames.unfold(0, 5, 1).permute(0, 4, 1, 2, 3)
    points, _ = score_batch(plain, windows[:16], plain.memory.items, -np.inf, guess=False)
    threshold = float(np.median(points.point_score))
    ways = {
        "plain: float32, contiguous, one window at a time": (plain, 1, False),
        f"float32, fused, channels_last, batch {options.batch}": (batched, options.batch, False),
        f"bf16, fused, channels_last, batch {options.batch}": (batched, options.batch, True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(options.rounds):
        for name, (model, batch, bf16) in ways.items():
            started = time.perf_counter()
            results[name] = score(model, windows, threshold, batch=batch, bf16=bf16)
            seconds[name].append(time.perf_counter() - started)
    (base, (psnr, decisions)) = next(iter(results.items()))
    for name, times in seconds.items():
        median, reference = statistics.median(times), statistics.median(seconds[base])
        difference = np.abs(results[name][0] - psnr).max()
        flips = int((results[name][1] != decisions).sum())
        print(
            f"{name:50} {options.frames / median:8.2f} frames/s  {reference / median:5.2f}x  "
            f"PSNR within {difference:.1e} dB, {flips} other decisions"
        )


if __name__ == "__main__":
    main()
