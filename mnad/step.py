"""One step of scoring as one graph: frames and a memory in, scores and the next memory out.

Whoever runs it needs neither this project nor torch: pixels are normalised inside, the memory is updated
inside, and nothing that is computed depends on the values of a tensor. It is built of the functions that
`mnad.scoring.score_batch` calls.

Dimension letters: B batch, T frames, H W height and width, N queries, M items, D features, S boxes.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from mnad.local_error import SCALES, TABLE_SCALES, LocalError, box_sizes
from mnad.memory import update
from mnad.model import MNAD
from mnad.scoring import error_map, feature_distance, point_score, psnr, squared_error

FROZEN = -1.0
"""A threshold that no point score is below: the memory stays as it is."""


class Inputs(NamedTuple):
    """What a step takes.

    Attributes:
        window: (B, T, H, W, 3) uint8, BGR, oldest frame first.
        memory: (B, M, D) float32, unit items; each window has a memory of its own.
        threshold: () float32; a frame whose point score is below it updates its memory; `FROZEN` never does.
        keep: (H, W) float32, 1 where the picture counts for local errors, and 0 where it is masked.
    """

    window: Tensor
    memory: Tensor
    threshold: Tensor
    keep: Tensor


class Outputs(NamedTuple):
    """What a step gives, float32, about each window's last frame.

    Attributes:
        local_error: (B,) dB, in the one box of the table (`mnad.local_error.TABLE_SCALES`).
        psnr: (B,) dB, infinite where the frame is reproduced exactly.
        feature_distance: (B,) as `mnad.scoring.feature_distance`.
        point_score: (B,) as `mnad.scoring.point_score`.
        next_memory: (B, M, D) the memory after the frame.
        box: (B, 4) left edge, upper edge, width and height of the box that `local_error` is of, in [0, 1].
        error_map: (B, H, W) as `mnad.scoring.error_map`.
        local_errors: (B, S) dB, in the boxes of the evidence (`mnad.local_error.SCALES`); -inf in a box for
            which the mask leaves no place.
        boxes: (B, S, 4) the boxes that `local_errors` are of, as `box`.
        frame: (B, 3, H, W) in [-1, 1], predicted or rebuilt.
        queries: (B, N, D) unit length.
    """

    local_error: Tensor
    psnr: Tensor
    feature_distance: Tensor
    point_score: Tensor
    next_memory: Tensor
    box: Tensor
    error_map: Tensor
    local_errors: Tensor
    boxes: Tensor
    frame: Tensor
    queries: Tensor


class Step(nn.Module):
    """The graph.

    Args:
        model: in eval mode.
        height, width: of the frames.
    """

    def __init__(self, model: MNAD, height: int, width: int) -> None:
        super().__init__()
        self.model = model
        self._boxes = box_sizes(height, width, SCALES)
        self._table = box_sizes(height, width, TABLE_SCALES)

    def forward(self, window: Tensor, memory: Tensor, threshold: Tensor, keep: Tensor) -> Outputs:
        """Score each window with its own memory; the arguments are those of `Inputs`."""
        pixels = window.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
        inputs, target = self.model.split(pixels)
        encoded = self.model.encode(inputs)
        frame = self.model.decode(encoded, memory)
        error = squared_error(frame, target)
        points = point_score(error).float()
        updates = (points < threshold)[:, None, None]
        table, box = _worst(error, keep, self._table)
        local, boxes = _worst(error, keep, self._boxes)
        return Outputs(
            local_error=table[:, 0],
            psnr=psnr(error).float(),
            feature_distance=feature_distance(encoded.queries, memory).float(),
            point_score=points,
            next_memory=torch.where(updates, update(memory, encoded.queries), memory),
            box=box[:, 0],
            error_map=error_map(error),
            local_errors=local,
            boxes=boxes,
            frame=frame,
            queries=encoded.queries,
        )


def _worst(error: Tensor, keep: Tensor, boxes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The local errors (B, S) of squared errors (B, C, H, W), and the boxes (B, S, 4) that they are of."""
    height, width = keep.shape
    levels = LocalError.of_all_boxes(keep, torch.zeros_like(keep), boxes).levels(error).flatten(2)
    place = levels.argmax(dim=-1)
    size = torch.tensor([[width, height]], dtype=torch.float32)
    reach = torch.tensor(boxes, dtype=torch.float32)[:, None] // 2
    centre = torch.stack([place % width, place // width], dim=-1).float()
    low = (centre - reach).clamp(min=0)
    high = torch.minimum(centre + reach + 1, size)
    return levels.amax(dim=-1), torch.cat([low / size, (high - low) / size], dim=-1)
