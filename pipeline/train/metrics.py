"""Losses and speed of a run: `metrics.jsonl`, one JSON object per line.

Lines of kind `step` hold means over the steps since the line before, lines of kind `epoch` over the epoch;
over all processes. `step` counts finished steps from the start of training.
"""

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Protocol

import torch
from torch import Tensor

from mnad import Losses
from pipeline.errors import TrainingError
from pipeline.processes import distributed
from pipeline.processes.distributed import Process
from pipeline.runs.layout import METRICS
from pipeline.runs.metricslines import metrics_lines
from pipeline.train.config import TrainConfig
from shards.storage import Storage

NAMES = ("pixel", "compact", "separate")


class LossHistory:
    """The losses of one epoch's steps, which stay on the device until somebody asks.

    Args:
        steps: of the epoch.
        offset: steps of the epochs before, for messages.
        process: this one.
        known: (n, 3) float64 joint losses of the first n steps, where the epoch goes on from there.
    """

    def __init__(self, steps: int, offset: int, process: Process, known: Tensor | None = None) -> None:
        self._process = process
        self._offset = offset
        self._own = torch.zeros(steps, len(NAMES), device=process.device)
        self._joint = torch.zeros(steps, len(NAMES), dtype=torch.float64)
        self._joined = 0 if known is None else len(known)
        if known is not None:
            self._joint[: len(known)] = known

    def record(self, index: int, losses: Losses) -> None:
        """Keep the losses of step `index` of the epoch; does not wait for the device."""
        self._own[index] = torch.stack([getattr(losses, name) for name in NAMES])

    def join(self, end: int) -> Tensor:
        """Losses (end, 3) float64 of the epoch's first `end` steps, means over all processes, on the host.

        Every process takes part, and every process raises.

        Raises:
            TrainingError: one of them is not finite.
        """
        if end > self._joined:
            # A float64 sum of float32 values has no rounding to speak of, so that it makes no difference
            # at which steps the processes were asked.
            rows = self._own[self._joined : end].double()
            self._joint[self._joined : end] = distributed.mean_over(rows, self._process).cpu()
            with distributed.together(self._process):
                self._check(self._joined, end)
            self._joined = end
        return self._joint[:end]

    def _check(self, start: int, end: int) -> None:
        bad = (~self._joint[start:end].isfinite()).any(dim=1).nonzero()
        if len(bad):
            index = start + int(bad[0])
            values = ", ".join(
                f"{name} {value:g}" for name, value in zip(NAMES, self._joint[index].tolist(), strict=True)
            )
            raise TrainingError(
                f"step {self._offset + index + 1}: found losses {values}, expected finite ones; train in "
                "a new run with a lower --lr or with --precision fp32"
            )


def loss_means(rows: Tensor, config: TrainConfig) -> dict[str, float]:
    """Means of losses (n, 3) by name, and of the `total` that is minimised."""
    pixel, compact, separate = rows.mean(dim=0).tolist()
    total = pixel + config.loss_compact * compact + config.loss_separate * separate
    return {"total": total, "pixel": pixel, "compact": compact, "separate": separate}


class Meter:
    """Speed since the last reading.

    Args:
        samples: windows per step, over all processes.
    """

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._restart()

    def _restart(self) -> None:
        self._started = time.monotonic()
        self._waited = 0.0
        self._steps = 0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Time spent in here is time waited for data."""
        entered = time.monotonic()
        yield
        self._waited += time.monotonic() - entered

    def count(self) -> None:
        """A step was made."""
        self._steps += 1

    def read(self) -> dict[str, float]:
        """Samples per second, and the share of time that went into waiting for data."""
        elapsed = time.monotonic() - self._started
        speed = {
            "samples_per_second": self._steps * self._samples / elapsed,
            "data_wait": self._waited / elapsed,
        }
        self._restart()
        return speed


class MetricsLog(Protocol):
    """Takes lines for `metrics.jsonl`."""

    def write(self, **record: Any) -> None:
        """Add a line."""

    def flush(self) -> None:
        """Have all lines outlive the process, as before a checkpoint that a later process goes on from."""


class Records:
    """Writes each line to several logs."""

    def __init__(self, *logs: MetricsLog) -> None:
        self._logs = logs

    def write(self, **record: Any) -> None:
        """Add a line."""
        for log in self._logs:
            log.write(**record)

    def flush(self) -> None:
        """Have all lines outlive the process."""
        for log in self._logs:
            log.flush()


class _Appended:
    """In a local run every line is on disk at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, **record: Any) -> None:
        self._file.write(_line(record))
        self._file.flush()

    def flush(self) -> None:
        pass


class _Rewritten:
    """In a bucket nothing can be appended: the whole file is written before a checkpoint, after each epoch,
    and at the end."""

    def __init__(self, run: Storage, before: bytearray) -> None:
        self._run = run
        self._data = before
        self._written = len(before)

    def write(self, **record: Any) -> None:
        self._data += _line(record)
        if record["kind"] != "step":
            self.flush()

    def flush(self) -> None:
        if self._written < len(self._data):
            with memoryview(self._data) as data:
                self._run.write(METRICS, data)
            self._written = len(self._data)


class _Nowhere:
    def write(self, **record: Any) -> None:
        pass

    def flush(self) -> None:
        pass


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


@contextlib.contextmanager
def metrics_log(run: Storage, step: int, *, quiet: bool) -> Iterator[MetricsLog]:
    """The run's metrics, where lines of steps after `step` are forgotten: they will be done again.

    Args:
        run: the run's folder.
        step: steps that were done before.
        quiet: write nothing (processes other than the first).
    """
    if quiet:
        yield _Nowhere()
        return
    kept = bytearray()
    for line, record in metrics_lines(run):
        if _step_of(record) <= step:
            kept += line.removesuffix(b"\n") + b"\n"  # which of the last line may be what is missing
    run.write(METRICS, memoryview(kept))
    if run.is_local:
        with Path(run.path(METRICS)).open("ab") as file:
            yield _Appended(file)
    else:
        log = _Rewritten(run, kept)
        try:
            yield log
        finally:
            log.flush()


def _step_of(record: dict[str, Any]) -> float:
    try:
        return float(record["step"])
    except (ValueError, TypeError):
        return float("inf")  # no line of ours
