"""One training step.

Dimension letters: B batch, T frames of a window, C channels, H W height and width.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from mnad import MNAD, Losses, training_losses
from pipeline.processes import distributed
from pipeline.processes.distributed import Process
from pipeline.train import precision
from pipeline.train.averaging import WeightAverage
from pipeline.train.config import TrainConfig


def learning_rate(start: float, epoch: int, epochs: int) -> float:
    """The cosine from `start` in epoch 0 towards 0 at `epochs`, constant within an epoch."""
    return start * (1 + math.cos(math.pi * epoch / epochs)) / 2


class Trainer:
    """Model, optimiser and loss scaler: all that a step changes.

    Args:
        model: on the process's device; goes to train mode and channels_last.
        config: of the run.
        process: this one; all processes' batches together are one batch.
        ranks: virtual ranks of the run, with a batch each; None for one per process and `accumulate`.
    """

    def __init__(self, model: MNAD, config: TrainConfig, process: Process, ranks: int | None = None) -> None:
        self.model = model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self._config = config
        self._device = process.device
        self._precision = precision.resolve(config.precision, process.device)
        self._average = WeightAverage(self.model, config.average) if config.average else None
        if config.compile:
            model.compile()
        self._network = distributed.parallel(model, process, sync_bn=config.sync_bn)
        self._joint = distributed.joint_batch(process)
        self._normalisations = [each for each in model.modules() if isinstance(each, _BatchNorm)]
        # Per process, on average: the mean over processes of their sums divided by it is that over batches.
        self._batches = (ranks or process.world * config.accumulate) / process.world
        self._optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, fused=True)
        self._scaler = precision.scaler(self._precision, process.device)

    @property
    def result(self) -> MNAD:
        """What training has come to: the model, or its average."""
        return self._average.model if self._average else self.model

    def set_lr(self, lr: float) -> None:
        """Use `lr` from the next step on."""
        for group in self._optimizer.param_groups:
            group["lr"] = lr

    def step(self, windows: Tensor) -> Losses:
        """Minimise the losses on batches, then update the memory with their queries.

        The losses are those of the memory before the update. BatchNorm's running statistics take in the first
        batch alone, so that those of the first process are the first virtual rank's, however many it serves.
        Nothing here waits for the device.

        Args:
            windows: (K * B, T, C, H, W) in [-1, 1], one batch of each of the K virtual ranks served.

        Returns:
            The losses before the step, without gradient; their mean over processes is that over all batches.
        """
        parts = windows.split(self._config.batch_size)
        queries, losses = [], []
        for index, part in enumerate(parts):
            with contextlib.ExitStack() as stack:
                stack.enter_context(distributed.accumulating(self._network, on=index < len(parts) - 1))
                if index > 0:
                    stack.enter_context(_statistics_kept(self._normalisations))
                queries_of_part, losses_of_part = self._backward(part)
            queries.append(queries_of_part)
            losses.append(losses_of_part)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        self.model.memory.update(torch.cat(queries), self._joint)
        if self._average:
            self._average.update()
        return Losses(
            pixel=torch.stack([part.pixel for part in losses]).sum() / self._batches,
            compact=torch.stack([part.compact for part in losses]).sum() / self._batches,
            separate=torch.stack([part.separate for part in losses]).sum() / self._batches,
        )

    def _backward(self, windows: Tensor) -> tuple[Tensor, Losses]:
        inputs, target = self.model.split(windows)
        with precision.autocast(self._precision, self._device):
            output = self._network(inputs.contiguous(memory_format=torch.channels_last))
        losses = training_losses(output.frame, target, output.queries, self.model.memory.items)
        total = losses.total(self._config.loss_compact, self._config.loss_separate)
        self._scaler.scale(total / self._batches).backward()
        return output.queries.detach(), Losses(
            pixel=losses.pixel.detach(), compact=losses.compact.detach(), separate=losses.separate.detach()
        )

    def state(self) -> dict[str, Any]:
        """What a step changes besides `result`."""
        state: dict[str, Any] = {
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
        }
        if self._average:
            state |= {"model": self.model.state_dict(), "averaged": self._average.done}
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Inverse of `state`, for a trainer that was made with a model whose weights were the `result`.

        The optimiser's settings are those of the run's options, whatever the state says.
        """
        settings = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": state["optimizer"]["state"], "param_groups": settings})
        self._scaler.load_state_dict(state["scaler"])
        if self._average:
            self.model.load_state_dict(state["model"])
            self._average.done = state["averaged"]


@contextlib.contextmanager
def _statistics_kept(layers: Sequence[_BatchNorm]) -> Iterator[None]:
    """Within the block the layers' running statistics stay; they still normalise by each batch's own."""
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True
