"""The training loop.

torchrun --nproc-per-node 4 cli.py train SHARDS RUN
"""

import contextlib
import time
from dataclasses import dataclass

from pipeline.errors import TrainingError
from pipeline.processes import distributed
from pipeline.processes.distributed import Process
from pipeline.runs.checkpoint import writing_to
from pipeline.terminal.output import remark
from pipeline.terminal.progress import Advance, progress
from pipeline.train.board import Board, board
from pipeline.train.config import TrainConfig
from pipeline.train.metrics import NAMES, LossHistory, Meter, MetricsLog, Records, loss_means, metrics_log
from pipeline.train.saving import Saver
from pipeline.train.setup import Setup, prepare
from pipeline.train.step import learning_rate
from pipeline.train.stopping import StopRequest, stop_request
from pipeline.train.validate import VALIDATION, is_validated, validate


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A finished run.

    Attributes:
        checkpoint: its last one.
        epochs, steps: from the start of training.
        samples, seconds: trained on now, and in how long, preparation included.
        losses: means over the last epoch that was trained now, by name; empty if there was nothing to do.
    """

    checkpoint: str
    epochs: int
    steps: int
    samples: int
    seconds: float
    losses: dict[str, float]


def train(config: TrainConfig) -> Summary:
    """Train a model, or go on with the run that is there; every process of torchrun calls this.

    Raises:
        UserError, ShardError: something that the user can mend; in all processes together.
    """
    with (
        distributed.processes(config.device) as process,
        stop_request() as stop,
        contextlib.ExitStack() as held,
    ):
        return _train(config, process, stop, held)


def _train(config: TrainConfig, process: Process, stop: StopRequest, held: contextlib.ExitStack) -> Summary:
    started = time.monotonic()
    quiet = not process.is_first
    setup = prepare(config, process, held)
    for note in () if quiet else setup.notes:
        remark(note)
    losses: dict[str, float] = {}
    with contextlib.ExitStack() as open_logs:
        with distributed.together(process):
            lines = open_logs.enter_context(metrics_log(setup.run, setup.start, quiet=quiet))
            shown = open_logs.enter_context(
                board(setup.run, setup.start, on=config.tensorboard and not quiet)
            )
        advance = open_logs.enter_context(
            progress("train", setup.total, "steps", done=setup.start, quiet=quiet)
        )
        records = Records(lines, shown)
        saver = Saver(setup, records)
        if setup.is_restored and setup.start and setup.start % setup.steps == 0:
            # That of the epoch before may have failed, or was killed; whether it did, its line tells.
            _validate(setup, setup.start // setup.steps - 1, records)
        for epoch in range(setup.start // setup.steps, config.epochs):
            losses = _train_epoch(setup, epoch, saver, records, shown, stop, advance)
            _finish_epoch(setup, epoch, saver, records)
        saver.save(setup.total)
    return Summary(
        checkpoint=saver.checkpoint,
        epochs=config.epochs,
        steps=setup.total,
        samples=(setup.total - setup.start) * setup.samples_per_step,
        seconds=time.monotonic() - started,
        losses=losses,
    )


def _train_epoch(
    setup: Setup,
    epoch: int,
    saver: Saver,
    log: MetricsLog,
    shown: Board,
    stop: StopRequest,
    advance: Advance,
) -> dict[str, float]:
    """Train what is left of an epoch; returns the means of its losses."""
    config, process = setup.config, setup.process
    before = epoch * setup.steps
    first = max(0, setup.start - before)
    lr = learning_rate(config.lr, epoch, config.epochs)
    setup.trainer.set_lr(lr)
    history = LossHistory(setup.steps, before, process, setup.losses if first else None)
    batches = distributed.InStep(
        setup.stream.batches(setup.plan(epoch), first), lambda: (bool(stop), saver.is_due), process
    )
    meter = Meter(setup.samples_per_step)
    detail = ""
    for index in range(first, setup.steps):
        with meter.waiting():
            windows, (stopping, due) = batches.take()
        if stopping or due:
            saver.save(before + index, history.join(index))
        if stopping:
            with distributed.together(process):
                raise TrainingError(
                    f"{setup.run}: stopped by {stop.signal or 'a signal to another process'} after step "
                    f"{before + index} of {setup.total}, checkpoint written; run the same command to resume"
                )
        with meter.waiting():
            batches.prepare()
        history.record(index, setup.trainer.step(windows))
        meter.count()
        done = index + 1
        if done % config.log_every == 0 or done == setup.steps:
            joint = history.join(done)
            with distributed.together(process), writing_to(setup.run):
                recent = loss_means(joint[index // config.log_every * config.log_every :], config)
                speed = meter.read()
                log.write(kind="step", step=before + done, epoch=epoch, lr=lr, **recent, **speed)
                detail = _shown(recent, speed)
        advance(1, detail)
    means = loss_means(history.join(setup.steps), config)
    with distributed.together(process), writing_to(setup.run):
        log.write(kind="epoch", step=before + setup.steps, epoch=epoch, lr=lr, **means)
        shown.show(setup.trainer.model, windows, before + setup.steps)
    return means


def _shown(losses: dict[str, float], speed: dict[str, float]) -> str:
    """What a line of progress says; first what a narrow terminal should keep."""
    parts = ", ".join(f"{name} {losses[name]:.2g}" for name in NAMES)
    return (
        f"loss {losses['total']:.5f}, {speed['samples_per_second']:.1f} samples/s, "
        f"{speed['data_wait']:.0%} waiting for data, {parts}"
    )


def _finish_epoch(setup: Setup, epoch: int, saver: Saver, log: MetricsLog) -> None:
    """What is done between epochs where it was asked for: a checkpoint, test metrics."""
    config, step = setup.config, (epoch + 1) * setup.steps
    if config.checkpoint_epochs and (epoch + 1) % config.checkpoint_epochs == 0:
        saver.save(step)
    if _is_validation_due(config, epoch):
        saver.save(step)
        _validate(setup, epoch, log)


def _is_validation_due(config: TrainConfig, epoch: int) -> bool:
    return config.validate is not None and (epoch + 1) % config.every == 0


def _validate(setup: Setup, epoch: int, log: MetricsLog) -> None:
    """Test metrics of the checkpoint of an epoch's end, where they are due and no line has them yet."""
    config, step = setup.config, (epoch + 1) * setup.steps
    if config.validate is None or not _is_validation_due(config, epoch):
        return
    with distributed.together(setup.process), writing_to(setup.run):
        if setup.process.is_first and not is_validated(setup.run, step):
            figures = validate(config.validate, config.run, step, config.device)
            log.write(kind=VALIDATION, step=step, epoch=epoch, **figures)
