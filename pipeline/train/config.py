"""Options of training, their defaults and their rules."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

from pipeline.config import Device, check_digest
from pipeline.errors import ConfigError
from shards.choices import CACHES, CacheName

MOST_ITEMS = 65_536
"""Of a memory, so that checkpoints stay below the size from which they are not read."""

Method = Literal["pred", "recon"]
BatchNormInit = Literal["ones", "uniform"]
MemoryInit = Literal["random", "queries"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]

METHODS: dict[Method, dict[str, Any]] = {
    "pred": {"window": 5, "lr": 2e-4, "loss_compact": 0.1, "loss_separate": 0.1},
    "recon": {"window": 1, "lr": 2e-5, "loss_compact": 0.01, "loss_separate": 0.01},
}
"""What each method brings with it: the paper's settings."""

_PAPER_EPOCHS = {"ped2": 60, "avenue": 60, "shanghai": 10}
PRESETS: dict[str, dict[str, Any]] = {
    f"paper-{dataset}{suffix}": {"method": method, "epochs": epochs, "batch_size": 4, "bn_init": "uniform"}
    for dataset, epochs in _PAPER_EPOCHS.items()
    for method, suffix in (("pred", ""), ("recon", "-recon"))
}
"""The paper's training of each dataset, for one process; BatchNorm starts as in the PyTorch it used."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run.

    Attributes:
        shards: the shard set to train on; its training split is used.
        run: where checkpoints and metrics go; a run that is there already goes on.
        method: predict the next frame, or rebuild a frame.
        window: T, frames per window, the target included.
        epochs: passes over the training windows; 0 writes the untrained network.
        batch_size: windows per process and pass through the network.
        accumulate: such batches per optimiser step; the memory sees them, too, as one batch.
        lr: Adam's learning rate at the start; it falls along a cosine, epoch by epoch.
        loss_compact, loss_separate: weights of the two memory losses.
        memory_items: M.
        bn_init: BatchNorm weights at the start, ones or drawn from U(0, 1).
        memory_init: memory items at the start, random as in the paper, or queries of the first windows that
            lie far from each other.
        average: save the running average of the weights over about so many steps; 0 for the weights.
        seed: of the initial weights and the order of windows.
        sync_bn: BatchNorm over the batches of all processes; on CUDA.
        compile: compile the network; pays after some minutes.
        precision: of the convolutions; `auto` is bf16 where that is faster, which is tried out on a CPU, else
            fp32, and for a run that goes on what it had.
        device: `cpu`, `cuda`, or `auto` for CUDA where there is one.
        threads: that read and decode shards, per process.
        cache: `none`, or keep decoded segments in host memory (`ram`) or on the GPU (`device`).
        log_every: steps from one line of metrics to the next.
        checkpoint_minutes: at most this much work is lost when a process is killed.
        checkpoint_epochs: besides, a checkpoint every so many epochs; 0 for none.
        keep: the latest checkpoints that stay on disk.
        tensorboard: also write for TensorBoard.
        validate: a shard set whose test videos are evaluated meanwhile, or None. For watching: a model chosen
            by what comes out has seen the test set.
        every: epochs from one such evaluation to the next.
        manifest_digest: SHA-256 that the set's manifest.json must have, or None for any.
    """

    shards: str
    run: str
    method: Method = "pred"
    window: int = 5
    epochs: int = 60
    batch_size: int = 4
    accumulate: int = 1
    lr: float = 2e-4
    loss_compact: float = 0.1
    loss_separate: float = 0.1
    memory_items: int = 10
    bn_init: BatchNormInit = "ones"
    memory_init: MemoryInit = "random"
    average: int = 0
    seed: int = 0
    sync_bn: bool = False
    compile: bool = False
    precision: Precision = "auto"
    device: Device = "auto"
    threads: int = 2
    cache: CacheName = "none"
    log_every: int = 10
    checkpoint_minutes: float = 10.0
    checkpoint_epochs: int = 0
    keep: int = 2
    tensorboard: bool = False
    validate: str | None = None
    every: int = 1
    manifest_digest: str | None = None

    def __post_init__(self) -> None:
        for name, allowed in (
            ("method", get_args(Method)),
            ("bn_init", get_args(BatchNormInit)),
            ("memory_init", get_args(MemoryInit)),
            ("precision", get_args(Precision)),
            ("device", get_args(Device)),
            ("cache", CACHES),
        ):
            _require(self, name, getattr(self, name) in allowed, f"one of {', '.join(allowed)}")
        for name in ("batch_size", "accumulate", "threads", "log_every", "keep", "every"):
            _require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in ("epochs", "checkpoint_epochs", "seed", "average"):
            _require(self, name, getattr(self, name) >= 0, "at least 0")
        for name in ("loss_compact", "loss_separate", "checkpoint_minutes"):
            _require(self, name, getattr(self, name) >= 0, "at least 0")
        _require(self, "seed", self.seed < 1 << 63, "a number of 63 bits")
        _require(self, "lr", self.lr > 0, "more than 0")
        holds = 2 <= self.memory_items <= MOST_ITEMS
        _require(self, "memory_items", holds, f"at least 2, the nearest and the second, at most {MOST_ITEMS}")
        if self.method == "pred":
            _require(self, "window", self.window >= 2, "at least 2 for prediction")
        else:
            _require(self, "window", self.window == 1, "1 for reconstruction")
        check_digest(self.manifest_digest)


def _require(config: TrainConfig, name: str, holds: bool, expected: str) -> None:
    if not holds:
        option = name.replace("_", "-")
        raise ConfigError(f"--{option}: found {getattr(config, name)!r}, expected {expected}")


def train_config(preset: str | None = None, **given: Any) -> TrainConfig:
    """The configuration from options of which some are None, that is, not given.

    What is given wins over the preset, the preset over the method's settings, these over the defaults.

    Args:
        preset: a name in PRESETS, or None.
        given: fields of TrainConfig.

    Raises:
        ConfigError: an option breaks its rule.
    """
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"--preset: found {preset!r}, expected one of {', '.join(PRESETS)}")
    chosen = PRESETS.get(preset or "", {}) | {
        name: value for name, value in given.items() if value is not None
    }
    method = METHODS.get(chosen.get("method", TrainConfig.method), {})
    return TrainConfig(**{**method, **chosen})
