"""Trained models on disk: weights and memory in one safetensors file with what is needed to rebuild them.

A run's checkpoints lie under `RUN/checkpoints/` as `model-NNNNNNNN.safetensors`, numbered by step, each
with `training-NNNNNNNN.pt` beside it: what only training needs. The model file is written last, so a
checkpoint whose model file is there is whole.
"""

import contextlib
import dataclasses
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from mnad import MNAD
from pipeline.errors import CheckpointError
from pipeline.header import FORMAT, VERSION, ModelSpec, header_from_start
from pipeline.runs import FOLDER, checkpoint_steps, model_name, training_name
from shards import locations
from shards.storage import TEMPORARY_PREFIX, Storage

_TRAINING = re.compile(r"training-(\d{8,})\.pt")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained model.

    Attributes:
        name: where it came from, for messages.
        spec: what the model is.
        tensors: its state dict, memory items included.
        step, epoch: how long it was trained.
        origin: how it came about (training options, code version, data), as JSON values.
    """

    name: str
    spec: ModelSpec
    tensors: dict[str, Tensor]
    step: int
    epoch: int
    origin: dict[str, Any]

    def model(self) -> MNAD:
        """The model in eval mode on the CPU."""
        model = self.spec.build()
        try:
            model.load_state_dict(self.tensors)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[1:2] or [str(error)]
            raise CheckpointError(f"{self.name}: does not fit {self.spec}: {first[0].strip()}") from error
        return model.eval()

    def to_bytes(self) -> bytes:
        """The safetensors file."""
        header = {
            "format": FORMAT,
            "version": VERSION,
            "spec": dataclasses.asdict(self.spec),
            "step": self.step,
            "epoch": self.epoch,
            "origin": self.origin,
        }
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.tensors.items()}
        return safetensors.torch.save(tensors, {"mnad": json.dumps(header, sort_keys=True)})


def tensors_from_bytes(data: bytes, name: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        CheckpointError: `data` is something else, or truncated.
    """
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"{name}: not a whole safetensors file: {error}; train or import it again"
        ) from error


def checkpoint_from_bytes(data: bytes, name: str) -> Checkpoint:
    """Inverse of `Checkpoint.to_bytes`.

    Raises:
        CheckpointError: `data` is something else, truncated, or of another version.
    """
    tensors = tensors_from_bytes(data, name)
    header = header_from_start(data, name)
    return Checkpoint(
        name=name,
        spec=header.spec,
        tensors=tensors,
        step=header.step,
        epoch=header.epoch,
        origin=header.origin,
    )


@contextlib.contextmanager
def writing_to(run: Storage) -> Iterator[None]:
    """Make clear errors of what can go wrong with writing into a run.

    Raises:
        CheckpointError: the disk is full, the folder may not be written, or the like.
    """
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{run}: cannot be written: {error.strerror or error}; make room or choose another RUN, "
            "and run the same command again"
        ) from error


def save_checkpoint(run: Storage, checkpoint: Checkpoint, training: bytes) -> str:
    """Write a checkpoint into a run, its training state first; returns the model file's name.

    A save that is killed leaves the model's temporary file, by which `latest_step` knows it.
    """
    name = model_name(checkpoint.step)
    try:
        with run.writing(name) as file:
            run.write(training_name(checkpoint.step), training)
            file.write(checkpoint.to_bytes())
    except BaseException:
        run.delete(training_name(checkpoint.step))
        raise
    return name


def latest_step(run: Storage) -> int | None:
    """The step of a run's latest checkpoint, or None if it has none.

    Raises:
        CheckpointError: its model file is gone. In a bucket that cannot be told from a save that was killed.
    """
    names = run.names(FOLDER)
    state = max((int(match[1]) for name in names if (match := _TRAINING.fullmatch(name))), default=-1)
    # Looked for in this order, a save that another process finishes meanwhile shows in one or the other.
    is_saving = run.is_local and any(Path(run.path(FOLDER)).glob(f"{TEMPORARY_PREFIX}*"))
    model = max(checkpoint_steps(run), default=None)
    if is_saving or not run.is_local or state <= (-1 if model is None else model):
        return model
    instead = "to start again" if model is None else f"to go on from step {model}"
    raise CheckpointError(
        f"{run}/{model_name(state)}: not found, though {training_name(state)} is there; restore it, or "
        f"delete the latter {instead}"
    )


def prune_checkpoints(run: Storage, keep: int) -> None:
    """Delete all but the last `keep` checkpoints, and what a killed process left half-written."""
    steps = checkpoint_steps(run)
    for step in steps[:-keep]:
        run.delete(model_name(step))
    kept = {training_name(step) for step in steps[-keep:]}
    for name in run.names(FOLDER):
        if _TRAINING.fullmatch(name) and f"{FOLDER}/{name}" not in kept:
            run.delete(f"{FOLDER}/{name}")
    run.clear_temporary(FOLDER)


def require_space(run: Storage, model: nn.Module, keep: int, models: int) -> None:
    """Check that a local disk has room for as many checkpoints as will lie there at a time.

    Args:
        run: an existing folder.
        model: that will be saved.
        keep: checkpoints that stay, one more while it is written.
        models: how many times a model's size one of them takes, its training state included.

    Raises:
        CheckpointError: it has not.
    """
    if not run.is_local:
        return
    size = models * sum(tensor.nbytes for tensor in model.state_dict().values())
    needed = size * max(1, keep + 1 - len(checkpoint_steps(run)))
    free = shutil.disk_usage(run.path("")).free
    if free < needed:
        raise CheckpointError(
            f"{run}: found {free >> 20} MiB free, expected {needed >> 20} MiB for checkpoints; make room, "
            "lower --keep or choose another RUN"
        )


def load_checkpoint(location: str) -> Checkpoint:
    """The checkpoint file at `location`, or the latest checkpoint of the run there.

    Raises:
        CheckpointError: neither is there, it is damaged, or the latest model is gone.
    """
    folder, name = locations.split(location)
    if name.endswith(".safetensors"):
        storage = Storage(folder)
    else:
        storage = Storage(location)
        step = latest_step(storage)
        if step is None:
            raise CheckpointError(
                f"{storage}: no checkpoint found under {FOLDER}/; give a run folder or a .safetensors file"
            )
        name = model_name(step)
    try:
        data = storage.read(name)
    except FileNotFoundError:
        raise CheckpointError(
            f"{storage}/{name}: not found; give a run folder or a .safetensors file"
        ) from None
    return checkpoint_from_bytes(data, f"{storage}/{name}")


def load_training_state(run: Storage, step: int) -> dict[str, Any]:
    """What training needs to go on from a checkpoint; never runs code from the file.

    Raises:
        CheckpointError: it is missing, damaged, or something else.
    """
    where = f"{run}/{training_name(step)}"
    try:
        data = run.read(training_name(step))
    except FileNotFoundError:
        raise CheckpointError(
            f"{where}: not found beside the model; restore it, or train into another run"
        ) from None
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except Exception as error:  # fed with garbage, the unpickler raises anything
        raise CheckpointError(
            f"{where}: not a whole training state ({type(error).__name__}); delete the files of step {step} "
            "to go on from the checkpoint before"
        ) from error
    return state
