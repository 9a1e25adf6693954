"""Reads the training state beside a checkpoint, and compares every value of it with what the run can have."""

import math
from typing import Any

import torch
from torch import Tensor

from mnad import MNAD
from pipeline.errors import CheckpointError
from pipeline.runs.checkpoint import check_tensors, load_training_state, without_step
from pipeline.runs.layout import training_name
from pipeline.train.metrics import NAMES
from shards.storage import Storage

_ROOM = 4 << 20
"""Bytes of a training state besides its tensors, at most; its pickle and list of members take 0.1 MB."""
_AVERAGES = ("exp_avg", "exp_avg_sq")
_SCALER = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}


def restored_state(
    run: Storage, step: int, model: MNAD, *, steps: int, averaged: bool, scaled: bool
) -> dict[str, Any]:
    """The training state of a step: what `Trainer.state` gave, and the losses of the epoch under way.

    Args:
        run: the run's folder.
        step: of the checkpoint, counted from the start of training.
        model: that is trained.
        steps: of an epoch.
        averaged: whether the run averages weights, so that the state holds the model itself.
        scaled: whether it scales losses, for fp16.

    Raises:
        CheckpointError: it is missing, damaged, too large, or not of this run.
    """
    known = {name: tensor.to("meta") for name, tensor in model.state_dict().items()}
    most = 3 * sum(tensor.nbytes for tensor in known.values()) + 24 * steps + _ROOM
    state = load_training_state(run, step, most)
    check = _Check(f"{run}/{training_name(step)}", step)
    check.keys(
        "entries", state, {"optimizer", "scaler", "losses", *(("model", "averaged") if averaged else ())}
    )
    check.optimizer(state["optimizer"], [tensor.to("meta") for tensor in model.parameters()], scaled)
    check.scaler(state["scaler"], scaled)
    check.losses(state["losses"], step % steps)
    if averaged:
        check.tensors(state["model"], known)
        check.holds("averaged", state["averaged"], _is_count(state["averaged"], step), f"steps up to {step}")
    return state


class _Check:
    """Compares parts of a training state; every method raises CheckpointError for what does not fit."""

    def __init__(self, where: str, step: int) -> None:
        self._where, self._step = where, step

    def holds(self, name: str, value: object, holds: bool, expected: str) -> None:
        if not holds:
            raise CheckpointError(
                f"{self._where}: found {name} {value!r:.100}, expected {expected}; {without_step(self._step)}"
            )

    def keys(self, name: str, value: object, expected: set[Any]) -> None:
        found = list(value) if isinstance(value, dict) else value
        names = sorted(map(str, expected))
        self.holds(name, found, isinstance(value, dict) and set(value) == expected, f"{', '.join(names)}")

    def tensors(self, found: object, expected: dict[str, Tensor]) -> None:
        self.holds("tensors", type(found).__name__, isinstance(found, dict), "them by name")
        assert isinstance(found, dict)
        check_tensors(found, expected, self._where, without_step(self._step))

    def optimizer(self, value: object, parameters: list[Tensor], scaled: bool) -> None:
        """Adam's averages of each parameter's gradients; none before the first step that was made."""
        self.keys("optimizer", value, {"state", "param_groups"})
        assert isinstance(value, dict)
        if value["state"] == {} and (scaled or self._step == 0):
            return
        self.keys("optimizer state", value["state"], set(range(len(parameters))))
        expected: dict[str, Tensor] = {}
        for index, like in enumerate(parameters):
            self.keys(f"optimizer state of {index}", value["state"][index], {"step", *_AVERAGES})
            expected |= {f"{index}.{name}": like for name in _AVERAGES}
            expected[f"{index}.step"] = torch.empty((), device="meta")
        found = {f"{i}.{name}": each for i, entry in value["state"].items() for name, each in entry.items()}
        self.tensors(found, expected)
        for index in range(len(parameters)):
            count = found[f"{index}.step"].item()
            self.holds(
                f"{index}.step", count, count.is_integer() and count <= self._step, f"up to {self._step}"
            )

    def scaler(self, value: object, scaled: bool) -> None:
        self.keys("scaler", value, _SCALER if scaled else set())
        if scaled:
            assert isinstance(value, dict)
            scale, tracker = value["scale"], value["_growth_tracker"]
            is_scale = isinstance(scale, float) and 0 < scale < math.inf
            self.holds("scale", scale, is_scale, "a positive number")
            self.holds("growth tracker", tracker, _is_count(tracker, self._step), f"steps up to {self._step}")

    def losses(self, value: object, done: int) -> None:
        if value is None and done == 0:
            return
        expected = torch.empty(done, len(NAMES), dtype=torch.float64, device="meta")
        self.tensors({"losses": value}, {"losses": expected})


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and 0 <= value <= most
