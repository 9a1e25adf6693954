"""Everything that is made, restored and checked before the first step."""

import contextlib
import dataclasses
import reprlib
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
from pipeline.runs.layout import FOLDER, model_name
from pipeline.runs.ownership import CONFIG, refuse_foreign_config, refuse_links
from pipeline.runs.spec import ModelSpec
from pipeline.runs.trainedon import held_out_of, trained_on
from pipeline.runs.virtualranks import FIELD as VIRTUAL_RANKS
from pipeline.train import board, precision
from pipeline.train.board import require_board
from pipeline.train.config import TrainConfig
from pipeline.train.holding import BEFORE, holding
from pipeline.train.restoring import restored_state
from pipeline.train.serving import process_plan, serving_notes, virtual_ranks
from pipeline.train.step import Trainer
from pipeline.train.validate import VALIDATION, require_fit
from shards import locations
from shards.choices import Split
from shards.holdout import HeldOut
from shards.identity import split_identity
from shards.manifest import Manifest, load_manifest
from shards.plan import EpochPlan, steps_per_epoch
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
"""Options that may change when a run is resumed: they have no influence on the result."""
EARLIER = {"hold_out": BEFORE}
"""What runs did that are older than an option, where that is not its default."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A run that is ready to start, or to be resumed.

    Attributes:
        config: with everything `auto` resolved.
        process: this one.
        ranks: virtual ranks of the run, each with one batch of every step.
        run: the run's folder.
        stream: gives the batches.
        trainer: makes the steps.
        spec, origin: what checkpoints say about the model.
        steps: per epoch.
        start: steps that were done before.
        is_restored: whether a checkpoint of that step is on disk.
        losses: (start % steps, 3) joint losses of the epoch under way, if any.
        notes: what a user should know before it starts.
    """

    config: TrainConfig
    process: Process
    ranks: int
    run: Storage
    stream: TrainingStream
    trainer: Trainer
    spec: ModelSpec
    origin: dict[str, Any]
    steps: int
    start: int
    is_restored: bool
    losses: Tensor | None
    notes: list[str]

    @property
    def samples_per_step(self) -> int:
        """Windows of one optimiser step, over all processes."""
        return self.config.batch_size * self.ranks

    @property
    def total(self) -> int:
        """Steps of the whole run."""
        return self.steps * self.config.epochs

    def plan(self, epoch: int) -> EpochPlan:
        """What this process reads in an epoch."""
        return process_plan(self.config, self.process, self.ranks, self.stream.windows, epoch)


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
        _check(config, process, manifest)
        aside = holding(config, run, manifest, manifest.split(SPLIT))
        stream = TrainingStream(
            shards,
            manifest,
            SPLIT,
            window=config.window,
            device=process.device,
            threads=config.threads,
            cache=config.cache,
            held_out=aside.held_out,
        )
        if config.tensorboard:
            require_board(run)
        if config.validate is not None:
            require_fit(config.validate, manifest.geometry, config.window)
        if latest_step(run) is None:  # a checkpoint would say how many virtual ranks there are
            _steps(config, virtual_ranks(config, process, None), stream, is_held=bool(aside.held_out))
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
        ranks = virtual_ranks(config, process, latest)
        steps = _steps(config, ranks, stream, is_held=bool(aside.held_out))
    config = dataclasses.replace(config, hold_out=aside.share, precision=_precision(config, latest, process))
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
        VIRTUAL_RANKS: ranks,
        "data": {
            "dataset": manifest.dataset,
            "manifest_sha256": manifest.digest,
            SPLIT: split_identity(manifest, SPLIT),
            **trained_on(aside.rate, aside.held_out, aside.depth),
        },
        "torch": torch.__version__,
    }
    torch.manual_seed(config.seed)
    model = spec.build(config.bn_init)
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
            # The first virtual rank's batch in all, so that the start does not depend on who serves it.
            plan = process_plan(
                config, dataclasses.replace(process, rank=0, world=ranks), ranks, stream.windows, 0
            )
            _seed_memory(model.to(process.device), stream, plan)
        if process.is_first:
            with writing_to(run):
                run.write(CONFIG, dump_config("train", config).encode())
            require_space(run, model, config.keep, models=4 if config.average else 3)
    if state is None:
        distributed.copy_first(model.memory.items, process)
    torch.backends.cudnn.benchmark = True  # all batches have one shape, so the search for kernels pays
    trainer = Trainer(model.to(process.device), config, process, ranks)
    if state is not None:
        trainer.load_state(state)
    return Setup(
        config=config,
        process=process,
        ranks=ranks,
        run=run,
        stream=stream,
        trainer=trainer,
        spec=spec,
        origin=origin,
        steps=steps,
        start=max(0, start),
        is_restored=latest is not None,
        losses=state["losses"] if state else None,
        notes=[*aside.notes, *serving_notes(config, process, ranks)],
    )


def _precision(config: TrainConfig, latest: Checkpoint | None, process: Process) -> precision.Resolved:
    """The same in all processes, and `auto` is what a resumed run had: machines differ in what it is."""
    options = {} if latest is None else latest.origin.get("options", {})
    choices = get_args(precision.Resolved)
    if config.precision == "auto" and options.get("precision") in choices:
        return cast(precision.Resolved, options["precision"])
    # Tried out by the first process alone: its answer counts, and several at once would slow each other.
    mine = 0
    with distributed.together(process):
        if process.is_first:
            mine = choices.index(precision.resolve(config.precision, process.device))
    return cast(precision.Resolved, choices[distributed.from_first(mine, process)])


def _seed_memory(model: MNAD, stream: TrainingStream, plan: EpochPlan) -> None:
    """Take the memory's first items from a plan's first batch."""
    with contextlib.closing(stream.batches(plan)) as batches:
        try:
            seed_memory(model, next(batches))
        except ValueError as error:
            raise ConfigError(
                f"--memory-init queries: {error}, in the first batch; raise --batch-size "
                "or lower --memory-items"
            ) from error


def _check(config: TrainConfig, process: Process, manifest: Manifest) -> None:
    """Refuse options that do not fit this machine, and a set that does not fit the network."""
    if config.sync_bn and process.device.type != "cuda":
        raise ConfigError(
            "--sync-bn: found device cpu, expected cuda, where PyTorch can synchronise BatchNorm"
        )
    height, width = manifest.geometry.height, manifest.geometry.width
    if height % STRIDE or width % STRIDE:
        raise ConfigError(
            f"{locations.shown(config.shards)}: found frames of {height}x{width}, expected multiples of "
            f"{STRIDE}; preprocess again with another --size"
        )


def _steps(config: TrainConfig, ranks: int, stream: TrainingStream, *, is_held: bool) -> int:
    """Steps per epoch, at least one."""
    steps = steps_per_epoch(stream.windows, ranks, config.batch_size)
    if steps == 0:
        least = config.batch_size * ranks
        raise ConfigError(
            f"{locations.shown(config.shards)}: found {sum(stream.windows)} training windows of "
            f"{config.window} frames, expected at least {least}, one batch in each process; "
            f"lower --batch-size{' or --hold-out' if is_held else ''}"
        )
    return steps


def _lasting(config: TrainConfig) -> dict[str, Any]:
    return {name: value for name, value in dataclasses.asdict(config).items() if name not in FREE}


def _identity(origin: dict[str, Any]) -> str:
    """Of the training videos."""
    data = origin.get("data")
    recorded = data.get(SPLIT) if isinstance(data, dict) else None
    return str(recorded or "none recorded")  # by an earlier version, or of a model that was not trained here


def _shown(held_out: tuple[HeldOut, ...]) -> str:
    parts = [f"{part.video} {part.start}:{part.end} after a gap of {part.gap}" for part in held_out]
    return reprlib.repr(parts)


def _check_same(latest: Checkpoint, spec: ModelSpec, origin: dict[str, Any]) -> None:
    """Refuse to resume with other options, naming each that differs."""
    options = latest.origin.get("options", {})
    young = {name: EARLIER.get(name, getattr(TrainConfig, name, None)) for name in origin["options"]}
    pairs = [  # an option that is younger than the run had its default, or what was done before it
        ("--" + name.replace("_", "-"), options.get(name, young[name]), value)
        for name, value in origin["options"].items()
    ]
    pairs += [(name, getattr(latest.spec, name), value) for name, value in dataclasses.asdict(spec).items()]
    pairs.append((f"{SPLIT} videos", _identity(latest.origin), _identity(origin)))
    different = [f"{name}: found {old!r}, expected {new!r}" for name, old, new in pairs if old != new]
    before, now = held_out_of(latest.origin), held_out_of(origin)
    if not different and before != now:  # the length of a gap follows the rate, which may be known by now
        different = [f"frames kept aside: found {_shown(before)}, expected {_shown(now)}"]
    if different:
        raise CheckpointError(
            f"{latest.name}: made with other options ({'; '.join(different)}); "
            "resume with the same ones, or train into another run"
        )
