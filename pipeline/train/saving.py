"""Writes a run's checkpoints."""

import io
import time

import torch
from torch import Tensor

from pipeline.processes import distributed
from pipeline.runs.checkpoint import Checkpoint, prune_checkpoints, save_checkpoint, writing_to
from pipeline.runs.layout import model_name
from pipeline.train.metrics import MetricsLog
from pipeline.train.setup import Setup


class Saver:
    """Knows when a checkpoint is due, and writes it in the first process.

    Args:
        setup: the run.
        log: of its metrics.
    """

    def __init__(self, setup: Setup, log: MetricsLog) -> None:
        self._setup = setup
        self._log = log
        self._saved: int | None = setup.start if setup.is_restored else None
        self._saved_at = time.monotonic()

    @property
    def is_due(self) -> bool:
        """Whether, by the first process's clock, as much time has passed as may be lost."""
        minutes = (time.monotonic() - self._saved_at) / 60
        return self._setup.process.is_first and minutes >= self._setup.config.checkpoint_minutes

    @property
    def checkpoint(self) -> str:
        """Where the last checkpoint lies."""
        return f"{self._setup.run}/{model_name(self._saved or 0)}"

    def save(self, step: int, losses: Tensor | None = None) -> None:
        """Write the state after `step` steps, unless it is on disk already; every process takes part.

        Args:
            step: steps done from the start of training.
            losses: (n, 3) joint losses of the epoch under way; None at an epoch's end.
        """
        setup = self._setup
        with distributed.together(setup.process):
            if setup.process.is_first and step != self._saved:
                with writing_to(setup.run):
                    self._log.flush()  # lines up to this step are not written again by who goes on from it
                    save_checkpoint(setup.run, self._checkpoint(step), self._training_state(losses))
                    prune_checkpoints(setup.run, setup.config.keep)
        self._saved = step
        self._saved_at = time.monotonic()

    def _checkpoint(self, step: int) -> Checkpoint:
        setup = self._setup
        return Checkpoint(
            name=model_name(step),
            spec=setup.spec,
            tensors=setup.trainer.result.state_dict(),
            step=step,
            epoch=step // setup.steps,
            origin=setup.origin,
        )

    def _training_state(self, losses: Tensor | None) -> bytes:
        buffer = io.BytesIO()
        torch.save({**self._setup.trainer.state(), "losses": losses}, buffer)
        return buffer.getvalue()
