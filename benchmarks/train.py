"""Training speed from shards on this machine, beside the plain way and beside the bare convolutions.

    python benchmarks/train.py [--size 256] [--batch 4] [--rounds 3] [--steps 2] [--threads N] [--out FILE]

plain         five JPEGs read, resized and normalised per window on the CPU; float32, contiguous; a Python
              loop over memory items that asks for values; Adam as it comes
ours          the stage's own stream and step, from raw shards
step          the same step on a batch that is there already
convolutions  the same network forward and backward in the same format and layout, and nothing else: no
              memory, no memory losses, no optimiser, no data

Ours, step and convolutions are in the precision that `auto` gives. All take turns within one process,
`--steps` steps each in every round; medians over rounds. Goals on a CPU at 256x256 and batch 4: ours at
least 3 times plain, and at most 1.35 times the convolutions' time.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from mnad import MNAD
from pipeline.distributed import Process
from pipeline.train import precision
from pipeline.train.config import TrainConfig, train_config
from pipeline.train.metrics import LossHistory
from pipeline.train.step import Trainer
from shards.manifest import load_manifest
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream
from tests.helpers.shards import make_set, smooth_frames

CPU = torch.device("cpu")
WINDOW, FRAMES = 5, 68
CAMERA = (240, 360)


def write_jpegs(folder: Path) -> list[Path]:
    """One video as the plain way reads it."""
    folder.mkdir()
    paths = [folder / f"{index:03d}.jpg" for index in range(FRAMES)]
    for path, frame in zip(paths, smooth_frames(FRAMES, CAMERA), strict=True):
        cv2.imwrite(str(path), frame)
    return paths


def plain_windows(paths: list[Path], size: int, batch: int) -> Iterator[Tensor]:
    """Random batches (B, T, 3, H, W), each frame decoded anew for every window that it is in."""
    rng = np.random.default_rng(0)
    while True:
        windows = []
        for start in rng.integers(0, FRAMES - WINDOW + 1, batch):
            images = [cv2.imread(str(path)) for path in paths[start : start + WINDOW]]
            resized = [cv2.resize(image, (size, size)).astype(np.float32) / 127.5 - 1 for image in images]
            windows.append(np.stack(resized).transpose(0, 3, 1, 2))
        yield torch.from_numpy(np.stack(windows).copy())


def plain_steps(paths: list[Path], size: int, batch: int) -> Callable[[], float]:
    """A step as one writes it first."""
    torch.manual_seed(0)
    model = MNAD("pred").train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    batches = plain_windows(paths, size, batch)

    def step() -> float:
        inputs, target = model.split(next(batches))
        output = model(inputs)
        queries, items = output.queries.flatten(0, 1), model.memory.items
        scores = queries @ items.T
        best = scores.topk(2, dim=1).indices
        pixel = F.mse_loss(output.frame, target)
        compact = F.mse_loss(queries, items[best[:, 0]])
        separate = F.triplet_margin_loss(queries, items[best[:, 0]], items[best[:, 1]])
        optimizer.zero_grad()
        (pixel + 0.1 * compact + 0.1 * separate).backward()
        optimizer.step()
        with torch.no_grad():
            weights = scores.softmax(dim=0)
            updated = items.clone()
            for item in range(len(items)):
                mine = (best[:, 0] == item).nonzero().squeeze(1)
                if len(mine):
                    share = weights[mine, item] / weights[:, item].max().item()
                    updated[item] = F.normalize(items[item] + (share[:, None] * queries[mine]).sum(0), dim=0)
            model.memory.items.copy_(updated)
        return pixel.item() + compact.item() + separate.item()

    return step


def stage_batches(folder: Path, config: TrainConfig) -> Iterator[Tensor]:
    """Batches of one epoch after another, as the stage reads them."""
    storage = Storage(folder)
    stream = TrainingStream(
        storage, load_manifest(storage), "training", window=WINDOW, device=CPU, threads=config.threads
    )
    for epoch in range(1_000_000):
        plan = epoch_plan(
            stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=config.batch_size * config.accumulate
        )
        yield from stream.batches(plan)


def our_steps(batches: Iterator[Tensor], config: TrainConfig) -> Callable[[], None]:
    """The stage's step and its book-keeping."""
    torch.manual_seed(0)
    process = Process(rank=0, world=1, device=CPU)
    trainer = Trainer(MNAD("pred"), config, process)
    history = LossHistory(1, 0, process)

    def step() -> None:
        history.record(0, trainer.step(next(batches)))

    return step


def convolutions(size: int, batch: int) -> Callable[[], None]:
    """Forward and backward of the network's layers alone, in the format and layout of our step."""
    model = MNAD("pred").to(memory_format=torch.channels_last).train()
    resolved = precision.resolve("auto", CPU)
    inputs = torch.rand(batch, 3 * (WINDOW - 1), size, size).contiguous(memory_format=torch.channels_last)

    def step() -> None:
        with precision.autocast(resolved, CPU):
            features, skips = model.encoder(inputs)
            frame = model.decoder(torch.cat([features, features], dim=1), skips)
        frame.float().sum().backward()
        model.zero_grad(set_to_none=True)

    return step


def measure(contenders: dict[str, Callable[[], object]], rounds: int, steps: int) -> dict[str, float]:
    """Median seconds per step of each, taking turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for step in contenders.values():
        step()
    for _ in range(rounds):
        for name, step in contenders.items():
            started = time.perf_counter()
            for _ in range(steps):
                step()
            seconds[name].append((time.perf_counter() - started) / steps)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size, batch = arguments.size, arguments.batch
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_jpegs(folder / "jpeg")
        make_set(folder / "shards", {"training": [smooth_frames(FRAMES, (size, size))]}, window=WINDOW)
        config = train_config(shards=str(folder / "shards"), run="", batch_size=batch)
        held = torch.rand(batch, WINDOW, 3, size, size) * 2 - 1
        contenders: dict[str, Callable[[], object]] = {
            "plain": plain_steps(paths, size, batch),
            "ours": our_steps(stage_batches(folder / "shards", config), config),
            "step": our_steps(iter(lambda: held, None), config),
            "convolutions": convolutions(size, batch),
        }
        seconds = measure(contenders, arguments.rounds, arguments.steps)
    result = {
        "size": size,
        "batch": batch,
        "threads": arguments.threads,
        "precision": precision.resolve("auto", CPU),
        "samples_per_second": {name: batch / value for name, value in seconds.items()},
        "ours_over_plain": seconds["plain"] / seconds["ours"],
        "ours_time_over_convolutions": seconds["ours"] / seconds["convolutions"],
    }
    for name, speed in result["samples_per_second"].items():
        print(f"{name:14}{speed:8.2f} samples/s")
    print(f"ours is {result['ours_over_plain']:.2f} times as fast as plain (goal: at least 3)")
    print(f"and takes {result['ours_time_over_convolutions']:.2f} times the convolutions' time (goal: 1.35)")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
