"""The step of a model as a program of PyTorch's intermediate representation, from which runtimes convert."""

import torch
from torch.export import Dim, ExportedProgram, export

from mnad.fusion import fuse
from mnad.model import MNAD
from mnad.networks import WIDTHS
from mnad.step import FROZEN, Inputs, Step

MOST_BATCH = 1024


def example(model: MNAD, window: int, height: int, width: int, batch: int) -> Inputs:
    """Black windows and the trained memory."""
    return Inputs(
        window=torch.zeros(batch, window, height, width, 3, dtype=torch.uint8),
        memory=model.memory.items.expand(batch, -1, -1).contiguous(),
        threshold=torch.tensor(FROZEN),
        keep=torch.ones(height, width),
    )


def shapes(items: int, window: int, height: int, width: int) -> list[list[int]]:
    """The shapes of a step's inputs, in order; the batch is -1."""
    return [[-1, window, height, width, 3], [-1, items, WIDTHS[-1]], [], [height, width]]


def program(model: MNAD, window: int, height: int, width: int) -> ExportedProgram:
    """The step, its batch of any size.

    Args:
        model: in eval mode, on the CPU.
        window: T.
        height, width: of the frames.
    """
    batch = Dim("batch", min=1, max=MOST_BATCH)
    with torch.no_grad():
        return export(
            Step(fuse(model), height, width).eval(),
            # A batch of one would be taken for a constant.
            tuple(example(model, window, height, width, batch=2)),
            dynamic_shapes=({0: batch}, {0: batch}, None, None),
        )
