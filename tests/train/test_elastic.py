"""A run goes on with other numbers of processes, and stays the run that it is."""

import hashlib
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor

from mnad import Losses
from pipeline.errors import PeerError, TrainingError
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.train.config import train_config
from pipeline.train.run import train
from pipeline.train.step import Trainer
from tests.helpers.commands import metrics
from tests.helpers.ranks import run_ranks
from tests.helpers.shards import make_set, smooth_frames

pytestmark = [pytest.mark.ddp, pytest.mark.slow]

BATCH = 2
PARTS = ((4, 1), (2, 1), (1, 1), (4, None))
"""How many processes train, and during which of their steps they are asked to stop."""
OPTIONS: dict[str, Any] = {
    "epochs": 2,
    "batch_size": BATCH,
    "log_every": 1,
    "threads": 1,
    "precision": "fp32",
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a process did: whether it was stopped, its batches of each step, its memory at the end."""

    stopped: bool
    steps: list[list[str]]
    memory: Tensor


LIKE = 0.05
"""How far a tensor may be from that of the unbroken run, as a part of what it moved by.

Adam makes whole steps of gradients that are little more than rounding: the order of sums alone gives up to
0.015, three steps fewer 0.09 to 0.28. How much it gives depends on the CPU.
"""


def digest(windows: Tensor) -> str:
    return hashlib.blake2b(windows.numpy().tobytes()).hexdigest()


def train_part(folder: Path, run: str, world: int, last: int | None) -> Part:
    """Train as one of `world` processes; the last of them is asked to stop during its `last`-th step."""
    os.environ["WORLD_SIZE"] = str(world)
    steps: list[list[str]] = []
    memory: list[Tensor] = []
    make = Trainer.step

    def watched(trainer: Trainer, windows: Tensor) -> Losses:
        steps.append([digest(part) for part in windows.split(BATCH)])
        if len(steps) == last and int(os.environ["RANK"]) == world - 1:
            signal.raise_signal(signal.SIGTERM)
        losses = make(trainer, windows)
        memory[:] = [trainer.model.memory.items.clone()]
        return losses

    stopped = False
    with mock.patch.object(Trainer, "step", watched):
        try:
            train(train_config(shards=str(folder / "shards"), run=str(folder / run), **OPTIONS))
        except (TrainingError, PeerError):
            stopped = True
    return Part(stopped=stopped, steps=steps, memory=memory[0])


def train_in_parts(folder: Path) -> list[Part | None]:
    """A run in one go, and one in PARTS; None for those parts in which this process has no share."""
    parts: list[Part | None] = [train_part(folder, "unbroken", 4, None)]
    for world, last in PARTS:
        mine = int(os.environ["RANK"]) < world
        parts.append(train_part(folder, "elastic", world, last) if mine else None)
    return parts


def joint(ranks: Sequence[Part | None]) -> list[list[str]]:
    """The batches of each step, over all processes, which stop together and hold the same memory."""
    shares = [share for share in ranks if share is not None]
    assert len({share.stopped for share in shares}) == 1
    assert all(torch.equal(share.memory, shares[0].memory) for share in shares)
    steps = zip(*(share.steps for share in shares), strict=True)
    return [[batch for part in parts for batch in part] for parts in steps]


def follows_rounding(name: str, tensors: dict[str, Tensor]) -> bool:
    """Whether it is a bias that BatchNorm takes away again, or what it takes away.

    The gradient of such a bias is zero but for rounding, which Adam scales up to full steps.
    """
    if name.endswith("running_mean"):
        return True
    layers, index, kind = name.rsplit(".", 2) if name.count(".") > 1 else ("", "0", name)
    return kind == "bias" and index.isdigit() and f"{layers}.{int(index) + 1}.running_mean" in tensors


def test_a_run_of_four_goes_on_with_two_with_one_and_with_four_processes(tmp_path: Path) -> None:
    videos = [smooth_frames(20, (16, 16), seed=seed) for seed in (1, 2)]
    make_set(tmp_path / "shards", {"training": videos})
    ranks = run_ranks(4, train_in_parts, tmp_path)
    expected, *parts = (joint(shares) for shares in zip(*ranks, strict=True))
    assert [len(part) for part in parts] == [2, 2, 1, 3], "several processes hear of a stop one step later"
    assert [step for part in parts for step in part] == expected
    found, wanted = (load_checkpoint(str(tmp_path / name)) for name in ("elastic", "unbroken"))
    assert found.step == wanted.step == len(expected)
    assert found.origin == wanted.origin
    train(
        train_config(
            shards=str(tmp_path / "shards"), run=str(tmp_path / "initial"), **OPTIONS | {"epochs": 0}
        )
    )
    initial = load_checkpoint(str(tmp_path / "initial"))
    for name, tensor in wanted.tensors.items():
        if tensor.is_floating_point() and not follows_rounding(name, wanted.tensors):
            moved, apart = tensor - initial.tensors[name], tensor - found.tensors[name]
            assert apart.norm() < LIKE * moved.norm(), name
    for line, other in zip(metrics(tmp_path / "elastic"), metrics(tmp_path / "unbroken"), strict=True):
        assert line["step"] == other["step"]
        assert line["total"] == pytest.approx(other["total"], rel=5e-3)
