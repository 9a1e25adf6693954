"""Training speed from shards on this machine, beside the plain way and beside the bare convolutions.

    python benchmarks/train.py [--size 256] [--batch 4] [--rounds 3] [--steps 2] [--threads N] [--out FILE]

plain         five JPEGs read, resized and normalised per window on the CPU; float32, contiguous; a Python
              loop over memory items that asks for values; Adam as it comes
ours          the stage's own stream and step, from raw shards
step          the same step on a batch that is there already
convolutions  the same network forward and backward in the same format and layout, and nothing else: no
              memory, no memory losses, no optimiser, no data

Ours, step and convolutions are in the precision that `auto` gives, and keep freed memory as the stage does.
Each has a process of its own. They take turns, `--steps` steps each in every round; medians over rounds.
Goals on a CPU at 256x256 and batch 4: ours at least 3 times plain, and at most 1.35 times the convolutions'
time.
"""

import argparse
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from material import make_set, scene
from mnad import MNAD
from pipeline.processes.allocator import keep_freed_memory
from pipeline.processes.distributed import Process
from pipeline.train import precision
from pipeline.train.config import TrainConfig, train_config
from pipeline.train.metrics import LossHistory
from pipeline.train.step import Trainer
from shards.manifest import load_manifest
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream

CPU = torch.device("cpu")
WINDOW, FRAMES = 5, 68
CAMERA = (240, 360)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured.

    Attributes:
        folder: of the frames, as jpeg/ and as shards/.
        size, batch: of a batch of windows.
        threads: of each contender.
        precision: of all but the plain way.
    """

    folder: Path
    size: int
    batch: int
    threads: int
    precision: precision.Resolved

    @property
    def config(self) -> TrainConfig:
        """Options of our training."""
        shards = str(self.folder / "shards")
        return train_config(shards=shards, run="", batch_size=self.batch, precision=self.precision)


def write_jpegs(folder: Path) -> None:
    """One video as the plain way reads it."""
    folder.mkdir()
    for index, frame in enumerate(scene(FRAMES, size=CAMERA)):
        cv2.imwrite(str(folder / f"{index:03d}.jpg"), frame)


def resized_jpeg(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A frame float32 (H, W, 3) in [-1, 1]."""
    image = cv2.imread(str(path))
    assert image is not None
    return cv2.resize(image, size).astype(np.float32) / 127.5 - 1


def plain_windows(case: Case) -> Iterator[Tensor]:
    """Random batches (B, T, 3, H, W), each frame decoded anew for every window that it is in."""
    paths, size = sorted((case.folder / "jpeg").iterdir()), (case.size, case.size)
    rng = np.random.default_rng(0)
    while True:
        windows = []
        for start in rng.integers(0, FRAMES - WINDOW + 1, case.batch):
            images = [resized_jpeg(path, size) for path in paths[start : start + WINDOW]]
            windows.append(np.stack(images).transpose(0, 3, 1, 2))
        yield torch.from_numpy(np.stack(windows).copy())


def plain_steps(case: Case) -> Callable[[], float]:
    """A step as one writes it first."""
    torch.manual_seed(0)
    model = MNAD("pred").train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    batches = plain_windows(case)

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


def stage_batches(case: Case) -> Iterator[Tensor]:
    """Batches of one epoch after another, as the stage reads them."""
    config, storage = case.config, Storage(case.folder / "shards")
    stream = TrainingStream(
        storage, load_manifest(storage), "training", window=WINDOW, device=CPU, threads=config.threads
    )
    for epoch in range(1_000_000):
        plan = epoch_plan(
            stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=config.batch_size * config.accumulate
        )
        yield from stream.batches(plan)


def our_steps(batches: Iterator[Tensor], case: Case) -> Callable[[], None]:
    """The stage's step and its book-keeping."""
    torch.manual_seed(0)
    process = Process(rank=0, world=1, device=CPU)
    trainer = Trainer(MNAD("pred"), case.config, process)
    history = LossHistory(1, 0, process)

    def step() -> None:
        history.record(0, trainer.step(next(batches)))

    return step


def convolutions(case: Case) -> Callable[[], None]:
    """Forward and backward of the network's layers alone, in the format and layout of our step."""
    model = MNAD("pred").to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    inputs = torch.rand(case.batch, 3 * (WINDOW - 1), case.size, case.size)
    inputs = inputs.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        with precision.autocast(case.precision, CPU):
            features, skips = model.encoder(inputs)
            frame = model.decoder(torch.cat([features, features], dim=1), skips)
        frame.float().sum().backward()
        model.zero_grad(set_to_none=True)

    return step


def from_shards(case: Case) -> Callable[[], None]:
    return our_steps(stage_batches(case), case)


def from_memory(case: Case) -> Callable[[], None]:
    held = torch.rand(case.batch, WINDOW, 3, case.size, case.size) * 2 - 1
    return our_steps(iter(lambda: held, None), case)


CONTENDERS: dict[str, Callable[[Case], Callable[[], object]]] = {
    "plain": plain_steps,
    "ours": from_shards,
    "step": from_memory,
    "convolutions": convolutions,
}


def compete(name: str, case: Case, turns: Connection) -> None:
    """A contender's process: makes as many steps as it is told, and tells the seconds per step."""
    torch.set_num_threads(case.threads)
    if name != "plain":
        keep_freed_memory()
    step = CONTENDERS[name](case)
    while steps := turns.recv():
        started = time.perf_counter()
        for _ in range(steps):
            step()
        turns.send((time.perf_counter() - started) / steps)


def measure(case: Case, rounds: int, steps: int) -> dict[str, float]:
    """Median seconds per step of each contender, taking turns; a first step each does not count."""
    context = multiprocessing.get_context("spawn")
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    with ExitStack() as stack:
        turns = {}
        for name in CONTENDERS:
            turns[name], theirs = context.Pipe()
            process = context.Process(target=compete, args=(name, case, theirs), daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(turns[name].send, 0)
        for taken in (1, *[steps] * rounds):
            for name, turn in turns.items():
                turn.send(taken)
                seconds[name].append(turn.recv())
    return {name: statistics.median(values[1:]) for name, values in seconds.items()}


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
    size, batch = arguments.size, arguments.batch
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_jpegs(folder / "jpeg")
        make_set(folder / "shards", {"training": [scene(FRAMES, size=(size, size))]}, window=WINDOW)
        resolved = precision.resolve("auto", CPU)
        case = Case(folder=folder, size=size, batch=batch, threads=arguments.threads, precision=resolved)
        seconds = measure(case, arguments.rounds, arguments.steps)
    result = {
        "size": size,
        "batch": batch,
        "threads": arguments.threads,
        "precision": resolved,
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
