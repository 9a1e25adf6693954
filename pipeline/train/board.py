"""The same figures for TensorBoard, and what the network predicts: `tensorboard --logdir RUN/tensorboard`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mnad import MNAD
from pipeline.errors import ConfigError, missing_package
from shards.storage import Storage

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

FOLDER = "tensorboard"
SAMPLES = 4
"""Windows of a batch that are shown."""


class Board:
    """Writes to TensorBoard, or nothing where there is no writer."""

    def __init__(self, writer: "SummaryWriter | None") -> None:
        self._writer = writer

    def write(self, **record: Any) -> None:
        """The numbers of a line of metrics, as scalars."""
        if self._writer is None:
            return
        kind, step = record["kind"], record["step"]
        for name, value in record.items():
            if isinstance(value, float):
                self._writer.add_scalar(f"{kind}/{name}", value, step)

    def flush(self) -> None:
        """Have all that was written outlive the process; by itself the writer does so every two minutes."""
        if self._writer is not None:
            self._writer.flush()

    def show(self, model: MNAD, windows: Tensor, step: int) -> None:
        """The first windows of a batch: truth, prediction and error beneath each other, as an image.

        Args:
            model: is in train mode again afterwards.
            windows: (B, T, 3, H, W) in [-1, 1], BGR.
            step: to file it under.
        """
        if self._writer is None:
            return
        model.eval()
        with torch.no_grad():
            inputs, target = model.split(windows[:SAMPLES])
            predicted = model(inputs).frame
        model.train()
        error = (predicted - target).abs() - 1
        rows = torch.cat([target, predicted, error], dim=2)  # (B, 3, 3H, W)
        image = torch.cat(rows.unbind(), dim=2).flip(0).add(1).div(2).clamp(0, 1)
        self._writer.add_image("truth, prediction, error", image.cpu(), step)


@contextlib.contextmanager
def board(run: Storage, step: int, *, on: bool) -> Iterator[Board]:
    """A board of the run, where what came after `step` is forgotten; one that shows nothing unless `on`."""
    if not on:
        yield Board(None)
        return
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(Path(run.path(FOLDER)), purge_step=step + 1)
    try:
        yield Board(writer)
    finally:
        writer.close()


def require_board(run: Storage) -> None:
    """Check that a board can be written.

    Raises:
        ConfigError: TensorBoard is not installed, or the run is in a bucket.
    """
    if not run.is_local:
        raise ConfigError(f"--tensorboard: found the remote run {run}, expected a local folder")
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError:
        raise missing_package("--tensorboard", "tensorboard", "tensorboard") from None
