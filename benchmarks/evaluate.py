"""Throughput of evaluation, against scoring one window at a time in contiguous float32.

    python benchmarks/evaluate.py --size 64 --frames 128

Frames are of a generated walkway. Weights are random, and the threshold is the median of the point scores, so
that half of the frames update the memory: batches meet wrong guesses, and decode some windows again, which is
counted. Freed memory is kept, as the stage does; the plain way profits from it as well. Rounds of all ways
alternate, so that what else the machine does falls on all of them alike; medians are printed, as ratios to
the plain way.
"""

import argparse
import statistics
import time

import cv2
import numpy as np
import torch
from torch import Tensor

from mnad import MNAD, score_batch
from mnad.fusion import fuse
from mnad.model import Encoded
from pipeline.processes.allocator import keep_freed_memory
from pipeline.scoring.scorer import largest_batch
from pipeline.synthesize.scene import View, background, draw, pedestrian

WINDOW = 5


def walkway(frames: int, size: int) -> Tensor:
    """Windows (frames, 5, 3, size, size) in [-1, 1] of people who walk along a path."""
    rng = np.random.default_rng(0)
    empty = background((144, 192), rng)
    people = [pedestrian(rng, (0, frames + WINDOW - 1), View(aspect=192 / 144)) for _ in range(8)]
    video = np.empty((frames + WINDOW - 1, 3, size, size), np.float32)
    for number, frame in enumerate(video):
        scene = empty.copy()
        for person in people:
            draw(scene, person, number)
        frame[:] = cv2.resize(scene, (size, size)) / 127.5 - 1
    return torch.from_numpy(video).unfold(0, WINDOW, 1).permute(0, 4, 1, 2, 3)


class Counted(MNAD):
    """Counts the windows that it decodes."""

    decoded = 0

    def decode(self, encoded: Encoded, items: Tensor) -> Tensor:
        """As MNAD."""
        self.decoded += len(encoded.queries)
        return super().decode(encoded, items)


def score(
    model: MNAD, windows: Tensor, threshold: float, *, batch: int, bf16: bool
) -> tuple[np.ndarray, np.ndarray]:
    """PSNR and decisions of all windows, in order."""
    items, guess = model.memory.items, threshold > -np.inf
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
    parser.add_argument("--frames", type=int, default=128, help="windows per round")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    keep_freed_memory()
    torch.manual_seed(0)
    plain = Counted("pred").eval().to(options.device)
    batched = fuse(plain).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    windows = walkway(options.frames, options.size).to(options.device)
    batch = largest_batch(options.batch, options.size, options.size, torch.device(options.device))
    points, _ = score_batch(plain, windows, plain.memory.items, -np.inf, guess=False)
    threshold = float(np.median(points.point_score))
    ways = {
        "plain: float32, contiguous, one window at a time": (plain, 1, False),
        f"float32, fused, channels_last, batch {batch}": (batched, batch, False),
        f"bf16, fused, channels_last, batch {batch}": (batched, batch, True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results, repeats = {}, {}
    for _ in range(options.rounds):
        for name, (model, size, bf16) in ways.items():
            model.decoded = 0
            started = time.perf_counter()
            results[name] = score(model, windows, threshold, batch=size, bf16=bf16)
            seconds[name].append(time.perf_counter() - started)
            repeats[name] = model.decoded / options.frames
    (base, (psnr, decisions)) = next(iter(results.items()))
    print(f"{options.size}x{options.size}, {100 * decisions.mean():.0f} % of the frames update the memory")
    for name, times in seconds.items():
        median, reference = statistics.median(times), statistics.median(seconds[base])
        difference = np.abs(results[name][0] - psnr).max()
        flips = int((results[name][1] != decisions).sum())
        print(
            f"{name:50} {options.frames / median:8.2f} frames/s  {reference / median:5.2f}x  "
            f"decoded {repeats[name]:.2f} times, PSNR within {difference:.1e} dB, {flips} other decisions"
        )


if __name__ == "__main__":
    main()
