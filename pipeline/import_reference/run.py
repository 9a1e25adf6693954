"""The stage: read both files as data, check every tensor against the network, write the checkpoint."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mnad.networks import WIDTHS
from pipeline.errors import CheckpointError
from pipeline.import_reference.config import ImportConfig
from pipeline.import_reference.weights import named_tensors, our_name, spec_of
from pipeline.runs.checkpoint import Checkpoint, check_tensors, expected_tensors, tensors_from_bytes
from pipeline.runs.digest import file_digest
from pipeline.runs.header import MOST_BYTES
from pipeline.runs.layout import FOLDER, checkpoint_steps, home_of, model_name, training_steps
from pipeline.runs.ownership import recorded_options
from pipeline.runs.torchfile import TensorRef, read_torch_file
from pipeline.version import code_version
from shards import locations
from shards.storage import Storage, storage_of

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""What weights may be stored as; fewer bits, or whole numbers, are those of another network."""


def import_reference(config: ImportConfig) -> Checkpoint:
    """Import a published model; returns the checkpoint that was written.

    Raises:
        CheckpointError: a file is missing, damaged, refused, or not of the published network.
    """
    model, keys = _read(config.model), _read(config.keys)
    model_name, keys_name = locations.shown(config.model), locations.shown(config.keys)
    root, load = _open(model, model_name)
    renamed = _renamed(named_tensors(root, model_name), model_name)
    items = _memory(keys, keys_name)
    shapes = {name: tuple(tensor.shape) for name, tensor in renamed.items()}
    spec = spec_of(shapes, len(items), config.size, model_name)
    expected = expected_tensors(spec)
    del expected["memory.items"]
    _check(expected, renamed, model_name)
    state = {name: load(renamed[name]).to(like.dtype) for name, like in expected.items()}
    check_tensors(state, expected, model_name)
    state["memory.items"] = items
    storage, file = _target(config.out)
    origin = {
        "imported": {
            "model": locations.split(config.model)[1],
            "model_sha256": file_digest(model),
            "keys": locations.split(config.keys)[1],
            "keys_sha256": file_digest(keys),
        },
        "code_version": code_version(),
    }
    checkpoint = Checkpoint(
        name=f"{storage}/{file}", spec=spec, tensors=state, step=0, epoch=0, origin=origin
    )
    storage.write(file, checkpoint.to_bytes())
    return checkpoint


def _read(location: str) -> bytes:
    storage, name = storage_of(location)
    try:
        return storage.read(name, most=MOST_BYTES)
    except FileNotFoundError:
        where = locations.shown(location)
        raise CheckpointError(f"{where}: not found; give the file that was published") from None


def _open(data: bytes, where: str) -> tuple[Any, Callable[[Any], Tensor]]:
    """What the file holds, and a function that loads a tensor that is found in it."""
    if where.endswith(".safetensors"):
        return tensors_from_bytes(data, where), lambda tensor: tensor
    file = read_torch_file(data, where)
    return file.root, file.load


def _target(out: str) -> tuple[Storage, str]:
    """Where the checkpoint goes: the file `out`, or step 0 of the run `out`."""
    if not locations.split(out)[1].endswith(".safetensors"):
        storage = Storage(out)
        _refuse_trained(storage)
        return storage, model_name(0)
    folder = locations.split(locations.split(out)[0])[1]
    if folder == FOLDER:  # a file of a run, by its name
        _refuse_trained(Storage(home_of(out)))
    return storage_of(out)


def _refuse_trained(run: Storage) -> None:
    """Refuse to write into a run that training made, were it only the untrained network of `--epochs 0`."""
    is_trained = recorded_options(run, "train") is not None or training_steps(run)
    if is_trained or any(checkpoint_steps(run)):
        raise CheckpointError(f"{run}: found a run with checkpoints of its own; choose another OUT")


def _renamed(tensors: dict[str, Any], where: str) -> dict[str, Any]:
    renamed = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, TensorRef | Tensor):
            raise CheckpointError(f"{where}: {name} is no tensor; give a model or its state dict alone")
        try:
            ours = our_name(name)
        except KeyError:
            raise CheckpointError(
                f"{where}: found {name}, which the published network does not have; give a model that "
                "the published code saved"
            ) from None
        if ours is not None:
            renamed[ours] = tensor
    return renamed


def _check(expected: dict[str, Tensor], found: dict[str, TensorRef | Tensor], where: str) -> None:
    """Compare what the file describes, before any of it is loaded."""
    for name, like in expected.items():
        if name not in found:
            raise CheckpointError(f"{where}: {name} is missing; the file holds only a part of the network")
        if tuple(found[name].shape) != tuple(like.shape):
            raise CheckpointError(
                f"{where}: found {name} of {list(found[name].shape)}, expected {list(like.shape)}; "
                "give a model with the published widths"
            )
        _check_type(name, _dtype(found[name]), _FLOATS if like.is_floating_point() else (like.dtype,), where)
    stray = sorted(set(found) - set(expected))
    if stray:
        raise CheckpointError(f"{where}: found {stray[0]}, which the network does not have")


def _dtype(tensor: TensorRef | Tensor) -> torch.dtype:
    return tensor.storage.dtype if isinstance(tensor, TensorRef) else tensor.dtype


def _check_type(name: str, dtype: torch.dtype, allowed: tuple[torch.dtype, ...], where: str) -> None:
    if dtype not in allowed:
        choices = " or ".join(str(each).removeprefix("torch.") for each in allowed)
        raise CheckpointError(
            f"{where}: found {name} of {str(dtype).removeprefix('torch.')}, expected {choices}; "
            "give a model that is not quantised"
        )


def _memory(data: bytes, where: str) -> Tensor:
    """The items (M, D) float32."""
    root, load = _open(data, where)
    if isinstance(root, dict) and len(root) == 1:
        (root,) = root.values()
    shape = list(root.shape) if isinstance(root, TensorRef | Tensor) else None
    if shape is None or len(shape) != 2 or shape[0] < 2 or shape[1] != WIDTHS[-1]:
        found = "something else" if shape is None else f"a tensor {shape}"
        raise CheckpointError(
            f"{where}: found {found}, expected memory items of [M, {WIDTHS[-1]}]; give the keys file"
        )
    _check_type("memory items", _dtype(root), _FLOATS, where)
    if root.nbytes > len(data):
        raise CheckpointError(
            f"{where}: found items of {root.nbytes} bytes in a file of {len(data)}; refused"
        )
    items = load(root).to(torch.float32)
    check_tensors({"memory.items": items}, {"memory.items": items}, where)
    return items
