"""Trained models on disk: weights and memory in one safetensors file with what is needed to rebuild them.

A run's checkpoints lie under `RUN/checkpoints/` as `model-NNNNNNNN.safetensors`, numbered by step, each
with `training-NNNNNNNN.pt` beside it: what only training needs. The model file is written last, so a
checkpoint whose model file is there is whole.
"""

import dataclasses
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from mnad import MNAD
from pipeline.errors import CheckpointError
from shards.storage import Storage

FORMAT = "mnad-checkpoint"
VERSION = 1
FOLDER = "checkpoints"
_MODEL = re.compile(r"model-(\d{8,})\.safetensors")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What a model is and what frames it was trained on.

    Attributes:
        method: `pred` or `recon`.
        window: T, frames per window.
        items: M, memory items.
        height, width, channels, channel_order: of a frame.
    """

    method: Literal["pred", "recon"]
    window: int
    items: int
    height: int
    width: int
    channels: int = 3
    channel_order: str = "BGR"

    def build(self) -> MNAD:
        """A model of this kind with random weights."""
        return MNAD(self.method, window=self.window, channels=self.channels, items=self.items)


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
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    try:
        header = json.loads(metadata["mnad"])
        if (header["format"], header["version"]) != (FORMAT, VERSION):
            found = f"{header['format']} version {header['version']}"
            raise CheckpointError(f"{name}: found {found}, expected {FORMAT} version {VERSION}")
        return Checkpoint(
            name=name,
            spec=ModelSpec(**header["spec"]),
            tensors=tensors,
            step=header["step"],
            epoch=header["epoch"],
            origin=header["origin"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{name}: a safetensors file, but not one of this project ({type(error).__name__}: {error}); "
            "import foreign weights with import-reference"
        ) from error


def save_checkpoint(run: Storage, checkpoint: Checkpoint, training: bytes) -> str:
    """Write a checkpoint into a run, its training state first; returns the model file's name."""
    name = f"{FOLDER}/model-{checkpoint.step:08d}.safetensors"
    run.write(f"{FOLDER}/training-{checkpoint.step:08d}.pt", training)
    run.write(name, checkpoint.to_bytes())
    return name


def checkpoint_steps(run: Storage) -> list[int]:
    """The steps of a run's whole checkpoints, ascending."""
    names = Storage(f"{run}/{FOLDER}").names()
    return sorted(int(match[1]) for name in names if (match := _MODEL.fullmatch(name)))


def load_checkpoint(location: str) -> Checkpoint:
    """The checkpoint file at `location`, or the latest checkpoint of the run there.

    Raises:
        CheckpointError: neither is there, or it is damaged.
    """
    location = location.rstrip("/")
    if location.endswith(".safetensors"):
        folder, _, name = location.rpartition("/")
        storage = Storage(folder or ".")
    else:
        storage = Storage(location)
        steps = checkpoint_steps(storage)
        if not steps:
            raise CheckpointError(
                f"{location}: no checkpoint found under {FOLDER}/; give a run folder or a .safetensors file"
            )
        name = f"{FOLDER}/model-{steps[-1]:08d}.safetensors"
    try:
        data = storage.read(name)
    except FileNotFoundError:
        raise CheckpointError(f"{location}: not found; give a run folder or a .safetensors file") from None
    return checkpoint_from_bytes(data, f"{storage}/{name}")


def load_training_state(run: Storage, step: int) -> dict[str, Any]:
    """What training needs to go on from a checkpoint; never runs code from the file."""
    name = f"{FOLDER}/training-{step:08d}.pt"
    with run.open(name) as file:
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
    return state
