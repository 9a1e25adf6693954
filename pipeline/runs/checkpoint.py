"""Trained models on disk: weights and memory in one safetensors file with what is needed to rebuild them.

A run's checkpoints lie under `RUN/checkpoints/` as `model-NNNNNNNN.safetensors`, numbered by step, each
with `training-NNNNNNNN.pt` beside it: what only training needs. The model file is written last, so a
checkpoint whose model file is there is whole.
"""

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from mnad import MNAD
from pipeline.errors import CheckpointError
from pipeline.runs.digest import file_digest
from pipeline.runs.header import FORMAT, MOST_BYTES, VERSION, header_from_start, safetensors_header
from pipeline.runs.layout import FOLDER, checkpoint_steps, model_name, training_name, training_steps
from pipeline.runs.spec import ModelSpec
from pipeline.runs.torchfile import read_torch_file
from shards import locations
from shards.errors import ShardError
from shards.storage import TEMPORARY_PREFIX, Storage, storage_of

_NEVER_NEGATIVE = ("running_var", "num_batches_tracked", "exp_avg_sq", "step")
"""Ends of the names of variances and counts: BatchNorm's, and Adam's."""
_UNIT_TOLERANCE = 1e-3
"""The most by which the length of a memory item may differ from 1; published ones differ by up to 1e-4."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A trained model.

    Attributes:
        name: where it came from, for messages.
        spec: what the model is.
        tensors: its state dict, memory items included.
        step, epoch: how long it was trained.
        origin: how it came about (training options, code version, data), as JSON values.
        sha256: of the file that it was read from; empty where it was not.
    """

    name: str
    spec: ModelSpec
    tensors: dict[str, Tensor]
    step: int
    epoch: int
    origin: dict[str, Any]
    sha256: str = ""

    def model(self) -> MNAD:
        """The model in eval mode on the CPU."""
        model = self.spec.build()
        try:
            model.load_state_dict(self.tensors)
        except RuntimeError as error:
            first = str(error).strip().splitlines()[1:2] or [str(error)]
            raise CheckpointError(f"{self.name}: does not fit {self.spec}: {first[0].strip()}") from error
        return model.eval()

    def digest(self) -> str:
        """SHA-256 of all that it says and holds, by which damage shows; safetensors has no checksum."""
        found = hashlib.sha256(json.dumps(self._header(), sort_keys=True).encode())
        for name, tensor in sorted(self.tensors.items()):
            found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            found.update(_on_cpu(tensor).reshape(-1).view(torch.uint8).numpy().data)
        return found.hexdigest()

    def to_bytes(self) -> bytes:
        """The safetensors file."""
        header = {**self._header(), "digest": self.digest()}
        tensors = {name: _on_cpu(tensor) for name, tensor in self.tensors.items()}
        return safetensors.torch.save(tensors, {"mnad": json.dumps(header, sort_keys=True)})

    def _header(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "spec": dataclasses.asdict(self.spec),
            "step": self.step,
            "epoch": self.epoch,
            "origin": self.origin,
        }


def _on_cpu(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().contiguous()


def expected_tensors(spec: ModelSpec) -> dict[str, Tensor]:
    """Name, shape and type of each tensor of a model's state dict, without memory for values.

    The memory's items, which say how many they are, come first; the others in the order of the layers.
    """
    with torch.device("meta"):
        return spec.build().state_dict()


def check_tensors(
    tensors: Mapping[str, Any],
    expected: Mapping[str, Tensor],
    name: str,
    remedy: str = "train or import it again",
) -> None:
    """Compare tensors by name with what a model must have, and their values with what a trained one has.

    Args:
        tensors: what was found.
        expected: tensors of the shapes and types that must be; their values do not count.
        name, remedy: for messages.

    Raises:
        CheckpointError: one is missing, stray, of another shape or type, not finite, a negative variance or
            count, or a memory item that is not of unit length.
    """
    for key, like in expected.items():
        tensor = tensors.get(key)
        if not isinstance(tensor, Tensor):
            raise CheckpointError(f"{name}: found no tensor {key}, expected {_described(like)}; {remedy}")
        found, wanted = _described(tensor), _described(like)
        if found != wanted:
            raise CheckpointError(f"{name}: found {key} of {found}, expected {wanted}; {remedy}")
        problem = _problem(key, tensor)
        if problem is not None:
            raise CheckpointError(f"{name}: found {key} with {problem}; {remedy}")
    stray = sorted(set(tensors) - set(expected))
    if stray:
        raise CheckpointError(
            f"{name}: found {stray[0]:.100}, expected the network's tensors alone; {remedy}"
        )


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _problem(key: str, tensor: Tensor) -> str | None:
    """What no trained model's tensor has, and what it would have instead."""
    if tensor.is_floating_point() and not tensor.isfinite().all():
        return "values that are no numbers, expected finite ones"
    if key.endswith(_NEVER_NEGATIVE) and (tensor < 0).any():
        return f"negative values down to {tensor.min():g}, expected 0 or more"
    if key == "memory.items":
        lengths = tensor.norm(dim=1)
        if ((lengths - 1).abs() > _UNIT_TOLERANCE).any():
            return f"items of length {lengths.min():.3f} to {lengths.max():.3f}, expected 1"
    return None


def tensors_from_bytes(data: bytes, name: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        CheckpointError: `data` is something else, or truncated, or has a header of unheard-of length.
    """
    safetensors_header(data, name)
    try:
        return safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise CheckpointError(
            f"{name}: not a whole safetensors file ({type(error).__name__}: {error!s:.100}); "
            "train or import it again"
        ) from error


def checkpoint_from_bytes(data: bytes, name: str) -> Checkpoint:
    """Inverse of `Checkpoint.to_bytes`.

    Raises:
        CheckpointError: `data` is something else, damaged, of another version, or no trained model.
    """
    tensors = tensors_from_bytes(data, name)
    header = header_from_start(data, name)
    check_tensors(tensors, expected_tensors(header.spec), name)
    checkpoint = Checkpoint(
        name=name,
        spec=header.spec,
        tensors=tensors,
        step=header.step,
        epoch=header.epoch,
        origin=header.origin,
        sha256=file_digest(data),
    )
    if header.digest is not None and header.digest != checkpoint.digest():
        raise CheckpointError(
            f"{name}: its content does not match its digest, so the file is damaged; "
            "copy it again, or take another checkpoint"
        )
    return checkpoint


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

    A save that is killed leaves the model's temporary file, by which `latest_step` knows it. One that fails
    leaves nothing in a folder, or a whole checkpoint if the model had its name already. In a bucket it leaves
    the training state, which `prune_checkpoints` removes.
    """
    name = model_name(checkpoint.step)
    try:
        with run.writing(name) as file:
            run.write(training_name(checkpoint.step), training)
            file.write(checkpoint.to_bytes())
    except BaseException:
        # A bucket cannot be asked: it may yet publish a model whose upload got no answer. A disk that fails
        # here, too, must not hide why the save failed.
        with contextlib.suppress(ShardError):
            if run.is_local and not run.exists(name):
                run.delete(training_name(checkpoint.step))
        raise
    return name


def latest_step(run: Storage) -> int | None:
    """The step of a run's latest checkpoint, or None if it has none.

    Raises:
        CheckpointError: its model file is gone. In a bucket that cannot be told from a save that was killed.
    """
    state = max(training_steps(run), default=-1)
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
    for step in set(training_steps(run)).difference(steps[-keep:]):
        run.delete(training_name(step))
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
    if locations.split(location)[1].endswith(".safetensors"):
        storage, name = storage_of(location)
    else:
        storage = Storage(location)
        step = latest_step(storage)
        if step is None:
            raise CheckpointError(
                f"{storage}: no checkpoint found under {FOLDER}/; give a run folder or a .safetensors file"
            )
        name = model_name(step)
    data = _read(storage, name, MOST_BYTES, "not found; give a run folder or a .safetensors file")
    return checkpoint_from_bytes(data, f"{storage}/{name}")


def _read(storage: Storage, name: str, most: int, missing: str) -> bytes:
    """At most so many bytes of a file; `missing` tells what to do where it is not there."""
    try:
        return storage.read(name, most=most)
    except FileNotFoundError:
        raise CheckpointError(f"{storage}/{name}: {missing}") from None


def load_training_state(run: Storage, step: int, most: int = MOST_BYTES) -> dict[str, Any]:
    """What training needs to go on from a checkpoint; never runs code from the file.

    Args:
        run: the run's folder.
        step: of the checkpoint.
        most: bytes that the file may have.

    Raises:
        CheckpointError: it is missing, damaged, or something else.
    """
    where = f"{run}/{training_name(step)}"
    missing = f"not found beside the model; restore it, {without_step(step)}, or train into another run"
    data = _read(run, training_name(step), most, missing)
    try:
        state = read_torch_file(data, where).values()
    except CheckpointError as error:
        reason = str(error).removeprefix(f"{where}: ").partition(";")[0]
        raise CheckpointError(
            f"{where}: not a whole training state: {reason}; {without_step(step)}"
        ) from error
    if not isinstance(state, dict):
        raise CheckpointError(
            f"{where}: found a {type(state).__name__}, expected a training state; {without_step(step)}"
        )
    return state


def without_step(step: int) -> str:
    """The remedy for a training state that is of no use."""
    return f"delete the files of step {step} to go on from the checkpoint before"
