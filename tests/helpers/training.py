"""Training steps on made-up windows, alone or as one of several processes."""

import torch
from torch import Tensor

from mnad import MNAD
from pipeline.processes.distributed import processes
from pipeline.train.config import train_config
from pipeline.train.serving import served
from pipeline.train.step import Trainer


def random_windows(count: int, steps: int, *, frames: int = 5, size: int = 16) -> Tensor:
    """Windows (steps, count, frames, 3, size, size) in [-1, 1], the same on each call."""
    return (
        torch.rand(steps, count, frames, 3, size, size, generator=torch.Generator().manual_seed(3))
        .mul_(2)
        .sub_(1)
    )


def frozen_steps(
    batch: int, steps: int, method: str, accumulate: int = 1, ranks: int | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Train with BatchNorm frozen on this process's share of `random_windows`.

    Args:
        batch, accumulate: options of training.
        steps: to make.
        method: of the network.
        ranks: virtual ranks; None for as many as at a start.

    Returns:
        The memory after each step (steps, M, D), and the gradients of the first.
    """
    config = train_config(
        shards="", run="", method=method, batch_size=batch, accumulate=accumulate, precision="fp32"
    )
    with processes("cpu") as process:
        torch.manual_seed(0)
        model = MNAD(config.method, window=config.window)
        ranks = ranks or accumulate * process.world
        trainer = Trainer(model, config, process, ranks)
        model.eval()
        windows = random_windows(batch * ranks, steps, frames=config.window)
        own = served(process, ranks)
        mine = windows[:, batch * own.start : batch * own.stop]
        memories: list[Tensor] = []
        gradients: list[Tensor] = []
        for part in mine:
            trainer.step(part)
            memories.append(model.memory.items.clone())
            if not gradients:  # Adam's first average of gradients is a tenth of the first ones
                averages = trainer.state()["optimizer"]["state"].values()
                gradients = [10 * average["exp_avg"].clone() for average in averages]
        return torch.stack(memories), gradients
