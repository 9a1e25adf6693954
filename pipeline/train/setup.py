"""Everything that is made, restored and checked before the first step."""

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import Any, cast, get_args

import torch
from torch import Tensor

from mnad import MNAD
from mnad.networks import STRIDE
from mnad.seeding import seed_memory
from pipeline.config import dump_config
from pipeline.errors import CheckpointError, ConfigError
from pipeline.processes import distributed
from pipeline.processes.distributed import Process
from pipeline.processes.locking import sole
from pipeline.runs.checkpoint import (
    Checkpoint,
    latest_step,
    load_checkpoint,
    require_space,
    writing_to,
)
from pipeline.runs.header import ModelSpec
from pipeline.runs.layout import FOLDER, model_name
from pipeline.runs.ownership import CONFIG, refuse_foreign_config, refuse_links
from pipeline.train import board, precision
from pipeline.train.board import require_board
from pipeline.train.config import TrainConfig
from pipeline.train.restoring import restored_state
from pipeline.train.step import Trainer
from pipeline.train.validate import VALIDATION
from shards import locations
from shards.choices import Split
from shards.identity import split_identity
from shards.manifest import Manifest, load_manifest
from shards.plan import EpochPlan, epoch_plan, steps_per_epoch
from shards.storage import Storage
from shards.stream import TrainingStream

SPLIT: Split = "training"
FREE = frozenset(
    {
        "shards",
        "run",
        "device",
        "threads",
        "cache",
        "log_every",
        "checkpoint_minutes",
        "checkpoint_epochs",
        "keep",
        "tensorboard",
        "validate",
        "every",
        "manifest_digest",
    }
)
"""Options that may change when a run goes on: they have no influence on the result."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run that is ready to start, or to go on.

    Attributes:
        config: with everything `auto` resolved.
        process: this one.
        run: the run's folder.
        stream: gives the batches.
        trainer: makes the steps.
        spec, origin: what checkpoints say about the model.
        steps: per epoch.
        start: steps that were done before.
        is_restored: whether a checkpoint of that step is on disk.
        losses: (start % steps, 3) joint losses of the epoch under way, if any.
    """

    config: TrainConfig
    process: Process
    run: Storage
    stream: TrainingStream
    trainer: Trainer
    spec: ModelSpec
    origin: dict[str, Any]
    steps: int
    start: int
    is_restored: bool
    losses: Tensor | None

    @property
    def samples_per_step(self) -> int:
        """Windows of one optimiser step, over all processes."""
        return self.config.batch_size * self.config.accumulate * self.process.world

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.steps * self.config.epochs

    def plan(self, epoch: int) -> EpochPlan:
        """What this process reads in an epoch."""
        return _plan(self.config, self.process, self.stream, epoch)


def prepare(config: TrainConfig, process: Process, held: contextlib.ExitStack) -> Setup:
    """Open the shards and the run, make the model, and restore the latest checkpoint if there is one.

    Args:
        config: of the run.
        process: this one.
        held: takes the run's lock, and so decides how long no other training may enter the run.

    Raises:
        ShardError, ConfigError, CheckpointError: the shards cannot be read, do not fit the options, or the
            run was made with other options.
        BusyError: another training is under way in the run.
    """
    with distributed.together(process):
        shards, run = Storage(config.shards), Storage(config.run)
        manifest = load_manifest(shards, config.manifest_digest)
        stream = TrainingStream(
            shards,
            manifest,
            SPLIT,
            window=config.window,
            device=process.device,
            threads=config.threads,
            cache=config.cache,
        )
        steps = _check(config, process, manifest, stream)
        if config.tensorboard:
            require_board(run)
    held.enter_context(distributed.held_by_first(sole("training", run), process))
    with distributed.together(process):
        refuse_foreign_config(run, "train")
        refuse_links(run, (FOLDER, board.FOLDER, VALIDATION))
        known = latest_step(run)
    # What the first process sees as the latest is the latest for all.
    start = distributed.from_first(-1 if known is None else known, process)
    latest, state = None, None
    with distributed.together(process):
        if start >= 0:
            latest = load_checkpoint(locations.inside(config.run, model_name(start)))
    config = dataclasses.replace(config, precision=_precision(config, latest, process))
    geometry = manifest.geometry
    spec = ModelSpec(
        method=config.method,
        window=config.window,
        items=config.memory_items,
        height=geometry.height,
        width=geometry.width,
        channels=geometry.channels,
        channel_order=geometry.channel_order,
    )
    origin = {
        "options": _lasting(config),
        "processes": process.world,
        "data": {
            "dataset": manifest.dataset,
            "manifest_sha256": manifest.digest,
            SPLIT: split_identity(manifest, SPLIT),
        },
        "torch": torch.__version__,
    }
    torch.manual_seed(config.seed)
    model = MNAD(
        config.method,
        window=config.window,
        channels=geometry.channels,
        items=config.memory_items,
        bn_init=config.bn_init,
    )
    with distributed.together(process):
        if latest is not None:
            _check_same(latest, spec, origin)
            state = restored_state(
                run,
                start,
                model,
                steps=steps,
                averaged=bool(config.average),
                scaled=config.precision == "fp16",
            )
            model.load_state_dict(latest.tensors)
        elif config.memory_init == "queries":
            _seed_memory(model.to(process.device), config, process, stream)
        if process.is_first:
            with writing_to(run):
                run.write(CONFIG, dump_config("train", config).encode())
            require_space(run, model, config.keep, models=4 if config.average else 3)
    if state is None:
        distributed.copy_first(model.memory.items, process)
    torch.backends.cudnn.benchmark = True  # all batches have one shape, so the search for kernels pays
    trainer = Trainer(model.to(process.device), config, process)
    if state is not None:
        trainer.load_state(state)
    return Setup(
        config=config,
        process=process,
        run=run,
        stream=stream,
        trainer=trainer,
        spec=spec,
        origin=origin,
        steps=steps,
        start=max(0, start),
        is_restored=latest is not None,
        losses=state["losses"] if state else None,
    )


def _precision(config: TrainConfig, latest: Checkpoint | None, process: Process) -> precision.Resolved:
    """The same in all processes, and `auto` is what a run that goes on had: machines differ in what it is."""
    options = {} if latest is None else latest.origin.get("options", {})
    if config.precision == "auto" and "precision" in options:
        return cast(precision.Resolved, options["precision"])
    choices = get_args(precision.Resolved)
    # Tried out by the first process alone: its answer counts, and several at once would slow each other.
    mine = choices.index(precision.resolve(config.precision, process.device)) if process.is_first else 0
    return cast(precision.Resolved, choices[distributed.from_first(mine, process)])


def _plan(config: TrainConfig, process: Process, stream: TrainingStream, epoch: int) -> EpochPlan:
    return epoch_plan(
        stream.windows,
        seed=config.seed,
        epoch=epoch,
        rank=process.rank,
        world=process.world,
        batch=config.batch_size * config.accumulate,
    )


def _seed_memory(model: MNAD, config: TrainConfig, process: Process, stream: TrainingStream) -> None:
    """Take the memory's first items from this process's first batch."""
    with contextlib.closing(stream.batches(_plan(config, process, stream, 0))) as batches:
        try:
            seed_memory(model, next(batches))
        except ValueError as error:
            raise ConfigError(
                f"--memory-init queries: {error}, in the first batch; raise --batch-size "
                "or lower --memory-items"
            ) from error


def _check(config: TrainConfig, process: Process, manifest: Manifest, stream: TrainingStream) -> int:
    """Steps per epoch, at least one."""
    shards = locations.shown(config.shards)
    if config.sync_bn and process.device.type != "cuda":
        raise ConfigError(
            "--sync-bn: found device cpu, expected cuda, where PyTorch can synchronise BatchNorm"
        )
    height, width = manifest.geometry.height, manifest.geometry.width
    if height % STRIDE or width % STRIDE:
        raise ConfigError(
            f"{shards}: found frames of {height}x{width}, expected multiples of {STRIDE}; "
            "preprocess again with another --size"
        )
    batch = config.batch_size * config.accumulate
    steps = steps_per_epoch(stream.windows, process.world, batch)
    if steps == 0:
        raise ConfigError(
            f"{shards}: found {sum(stream.windows)} training windows of {config.window} frames, "
            f"expected at least {batch * process.world}, one batch in each process; lower --batch-size"
        )
    return steps


def _lasting(config: TrainConfig) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in FREE}


def _identity(origin: dict[str, Any]) -> str:
    """Of the training videos."""
    data = origin.get("data")
    recorded = data.get(SPLIT) if isinstance(data, dict) else None
    return str(recorded or "none recorded")  # by an earlier version, or of a model that was not trained here


def _check_same(latest: Checkpoint, spec: ModelSpec, origin: dict[str, Any]) -> None:
    """Refuse to go on with other options, naming each that differs."""
    options = latest.origin.get("options", {})
    pairs = [  # an option that is younger than the run had its default
        ("--" + name.replace("_", "-"), options.get(name, getattr(TrainConfig, name, None)), value)
        for name, value in origin["options"].items()
    ]
    pairs += [(name, getattr(latest.spec, name), value) for name, value in dataclasses.asdict(spec).items()]
    pairs.append(("processes", latest.origin.get("processes"), origin["processes"]))
    pairs.append((f"{SPLIT} videos", _identity(latest.origin), _identity(origin)))
    different = [f"{name}: found {old!r}, expected {new!r}" for name, old, new in pairs if old != new]
    if different:
        raise CheckpointError(
            f"{latest.name}: made with other options ({'; '.join(different)}); "
            "go on with the same ones or train into another run"
        )
