"""The network as a whole: encode, read the memory, decode (paper figure 2).

Dimension letters: B batch, T frames, C channels, H W height and width, N queries, M items, D features.
"""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mnad import memory
from mnad.networks import STRIDE, WIDTHS, BatchNormInit, Decoder, Encoder, initialise_batch_norm

Task = Literal["pred", "recon"]


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A batch of windows after the encoder; independent of the memory.

    Attributes:
        queries: (B, N, D) float32, unit length.
        skips: the encoder's features for the decoder; None for reconstruction.
        grid: query rows and columns, N = rows * columns.
    """

    queries: Tensor
    skips: list[Tensor] | None
    grid: tuple[int, int]

    def select(self, rows: slice) -> "Encoded":
        """The encoding of some of the batch's windows, without a copy."""
        skips = None if self.skips is None else [skip[rows] for skip in self.skips]
        return Encoded(queries=self.queries[rows], skips=skips, grid=self.grid)


@dataclass(frozen=True, kw_only=True)
class Output:
    """What one forward pass gives.

    Attributes:
        frame: (B, C, H, W) in [-1, 1], predicted or rebuilt.
        queries: (B, N, D) float32, unit length.
    """

    frame: Tensor
    queries: Tensor


class MNAD(nn.Module):
    """Predicts a window's last frame from the others (`pred`), or rebuilds its only frame (`recon`).

    Args:
        task: `pred` (U-Net with skips, window of T >= 2) or `recon` (no skips, T = 1).
        window: T, frames in a window, the target included.
        channels: C of one frame.
        items: M memory items.
        bn_init: see `initialise_batch_norm`.
        generator: source of the memory's and BatchNorm's random start; convolutions draw from torch's
            global generator, as torch layers do.
    """

    def __init__(
        self,
        task: Task = "pred",
        *,
        window: int = 5,
        channels: int = 3,
        items: int = 10,
        bn_init: BatchNormInit = "ones",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if task == "pred" and window < 2:
            raise ValueError(f"prediction needs a window of at least 2 frames, got {window}")
        if task == "recon" and window != 1:
            raise ValueError(f"reconstruction uses a window of 1 frame, got {window}")
        if items < 2:
            raise ValueError(f"the separateness loss needs at least 2 memory items, got {items}")
        self.task: Task = task
        self.encoder = Encoder(channels * max(1, window - 1))
        self.memory = memory.Memory(items, WIDTHS[-1], generator)
        self.decoder = Decoder(channels, skips=task == "pred")
        initialise_batch_norm(self, bn_init, generator)

    def split(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """Cut windows (B, T, C, H, W) into the encoder's input (B, C', H, W) and the target (B, C, H, W)."""
        inputs = windows[:, :-1] if self.task == "pred" else windows
        return inputs.flatten(1, 2), windows[:, -1]

    def encode(self, inputs: Tensor) -> Encoded:
        """Queries and skips of inputs (B, C', H, W) in [-1, 1]; H and W multiples of 8."""
        height, width = inputs.shape[-2:]
        if height % STRIDE or width % STRIDE:
            raise ValueError(f"frame height and width must be multiples of {STRIDE}, got {height}x{width}")
        features, skips = self.encoder(inputs)
        queries = F.normalize(features.float().permute(0, 2, 3, 1).flatten(1, 2), dim=-1)
        return Encoded(
            queries=queries,
            skips=skips if self.task == "pred" else None,
            grid=(height // STRIDE, width // STRIDE),
        )

    def decode(self, encoded: Encoded, items: Tensor) -> Tensor:
        """Frames (B, C, H, W) from encoded windows and items (M, D), or (B, M, D), one memory per window."""
        recalled = memory.read(encoded.queries, items)
        features = torch.cat([encoded.queries, recalled], dim=-1)
        # (B, N, 2D) is (B, rows, columns, 2D): seen as (B, 2D, rows, columns) it already is channels_last.
        grid = features.unflatten(1, encoded.grid).permute(0, 3, 1, 2)
        frame: Tensor = self.decoder(grid, encoded.skips)
        return frame

    def forward(self, inputs: Tensor) -> Output:
        """Predict or rebuild with the memory as it is; inputs (B, C', H, W) in [-1, 1]."""
        encoded = self.encode(inputs)
        return Output(frame=self.decode(encoded, self.memory.items), queries=encoded.queries)
