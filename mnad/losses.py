"""Training losses (paper section 3.3, equations 6 to 9)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mnad.memory import nearest_two

MARGIN = 1.0
"""Margin of the triplet in the separateness loss."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Scalars on the device.

    Attributes:
        pixel: mean squared error of the frame, pixels in [-1, 1].
        compact: mean squared error of each query to its nearest item.
        separate: triplet loss, nearest against second nearest item.
    """

    pixel: Tensor
    compact: Tensor
    separate: Tensor

    def total(self, compact_weight: float, separate_weight: float) -> Tensor:
        """The weighted sum that is minimised (equation 6)."""
        return self.pixel + compact_weight * self.compact + separate_weight * self.separate


def training_losses(frame: Tensor, target: Tensor, queries: Tensor, items: Tensor) -> Losses:
    """All three losses, in float32.

    Args:
        frame, target: (B, C, H, W) in [-1, 1].
        queries: (B, N, D) unit length, with gradient.
        items: (M, D) unit length; no gradient flows into them.
    """
    with torch.autocast(frame.device.type, enabled=False):
        first, second = nearest_two(queries, items)
        dim = queries.shape[-1]
        return Losses(
            pixel=F.mse_loss(frame.float(), target.float()),
            compact=F.mse_loss(queries, first),
            separate=F.triplet_margin_loss(
                queries.reshape(-1, dim), first.reshape(-1, dim), second.reshape(-1, dim), margin=MARGIN
            ),
        )
