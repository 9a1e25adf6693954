"""Small checkpoints with random weights."""

from pathlib import Path
from typing import Any

import torch

from mnad.model import Task
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.spec import ModelSpec
from tests.helpers import golden


def make_checkpoint(
    path: Path, *, seed: int = 0, size: tuple[int, int] | tuple[None, None] = (32, 32), **spec: Any
) -> Checkpoint:
    """Write a checkpoint of an untrained model to `path` (a .safetensors file) and return it.

    Args:
        path: of the file.
        seed: of the weights.
        size: height and width of frames; None where they are not known.
        spec: other fields of ModelSpec; prediction of five frames with four items by default.
    """
    defaults: dict[str, Any] = {"method": "pred", "window": 5, "items": 4}
    full = ModelSpec(height=size[0], width=size[1], **{**defaults, **spec})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        tensors = full.build().state_dict()
    checkpoint = Checkpoint(
        name=str(path), spec=full, tensors=tensors, step=3, epoch=1, origin={"seed": seed}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(checkpoint.to_bytes())
    return checkpoint


def golden_checkpoint(task: Task, size: int = 32) -> Checkpoint:
    """The golden weights as a checkpoint for square frames; the network takes any size."""
    spec = ModelSpec(method=task, window=golden.WINDOW[task], items=10, height=size, width=size)
    tensors = golden.model(task, golden.load()[1]["seed"]).state_dict()
    return Checkpoint(name="golden", spec=spec, tensors=tensors, step=3, epoch=1, origin={})
