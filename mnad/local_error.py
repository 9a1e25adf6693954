"""The local error: how badly the worst place of a frame is reproduced, in boxes of several sizes.

A whole frame's error (the PSNR) grows with the number of ordinary people in it; that of a small box does
not, and it says where. Which box serves depends on how large people are in the picture, so there are several.

Dimension letters: B batch, C channels, H W height and width, S boxes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SCALES = (13.0, 9.0, 7.0, 5.0, 3.5, 2.5, 1.8)
"""Boxes are the shorter side of the frame divided by these, so that they serve people of any size."""

TABLE_SCALES = (8.0,)
"""The one box of the column `local_error`, which stands in for the evidence where nothing is calibrated."""

FLOOR = 1e-9
"""Added to a box's mean error, so that a perfect box is at -90 dB."""


@dataclass(frozen=True)
class Place:
    """Where in a frame the error is. The frame spans [0, 1] from left to right and from top to bottom.

    Attributes:
        x, y: the centre of the worst box.
        box: left edge, upper edge, width, height of the region around it.
    """

    x: float
    y: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class LocalError:
    """Looks at frames of one size through one mask; see `looking_at`.

    With e(x) the mean over channels of ((x̂ - x) / 2)² (pixels in [-1, 1]), m the mask, and B_k(x) the k × k
    box centred at x:

        Ē_k(x)  = Σ_{y ∈ B_k(x)} m(y) e(y) / Σ_{y ∈ B_k(x)} m(y)     where Σ m ≥ k² / 2, else not looked at
        local_k = max_x [10 log₁₀(Ē_k(x) + 1e-9) + gain(x)]           dB, from -90 (+ gain) to 0 (+ gain)

    Pixels outside the frame count as masked: a box may hang over an edge by less than half.

    Attributes:
        boxes: k of each of S boxes, odd, growing.
        keep: (H, W) float32, m: 1 where the picture counts, 0 where it is masked.
        gain: (S, H, W) float32, dB: the zone's; -inf where box k is not looked at.
        weight: (S, H, W) float32, 1 / Σ m; 0 where box k is not looked at.
        rows, columns: (S, H, H) and (S, W, W) float32, 1 for two rows (columns) that share a box.
    """

    boxes: tuple[int, ...]
    keep: Tensor
    gain: Tensor
    weight: Tensor
    rows: Tensor
    columns: Tensor

    @classmethod
    def looking_at(
        cls, keep: Tensor, gain: Tensor | None = None, scales: tuple[float, ...] = SCALES
    ) -> "LocalError":
        """What looks at frames (H, W), on the mask's device.

        Sizes that two scales share are there once, and sizes for which the mask leaves no place are left out.

        Args:
            keep: (H, W) bool, where the picture counts; all True without a mask.
            gain: (H, W) dB, added where a zone is to be more (above 0) or less (-3: half as) touchy.
            scales: a box is the shorter side divided by each, at least 3.

        Raises:
            ValueError: the mask leaves no place at all, or a gain is not finite.
        """
        height, width = keep.shape
        mask = keep.float()
        zones = torch.zeros_like(mask) if gain is None else gain.to(mask)
        if zones.shape != mask.shape or not zones.isfinite().all():
            raise ValueError(f"found gains {tuple(zones.shape)}, expected finite dB {tuple(mask.shape)}")
        whole = cls.of_all_boxes(mask, zones, box_sizes(height, width, scales))
        used = (whole.gain > -torch.inf).flatten(1).any(dim=1)
        if not used.any():
            raise ValueError(
                f"found a mask that leaves {int(mask.sum())} pixels, expected at least half a box"
            )
        return cls(
            boxes=tuple(k for k, one in zip(whole.boxes, used.tolist(), strict=True) if one),
            keep=mask,
            gain=whole.gain[used],
            weight=whole.weight[used],
            rows=whole.rows[used],
            columns=whole.columns[used],
        )

    @classmethod
    def of_all_boxes(cls, keep: Tensor, gain: Tensor, boxes: tuple[int, ...]) -> "LocalError":
        """What looks at frames in given boxes, also in those for which the mask leaves no place.

        No value decides what is computed, so that a graph can hold it.

        Args:
            keep: (H, W) float32, m.
            gain: (H, W) float32, dB.
            boxes: k of each, odd, growing.
        """
        height, width = keep.shape
        rows = torch.stack([_neighbours(height, k) for k in boxes]).to(keep)
        columns = torch.stack([_neighbours(width, k) for k in boxes]).to(keep)
        count = rows @ (keep @ columns)
        looked = count >= torch.tensor([k * k / 2 for k in boxes]).to(keep)[:, None, None]
        return cls(
            boxes=boxes,
            keep=keep,
            gain=torch.where(looked, gain, -torch.inf),
            weight=torch.where(looked, 1 / count, 0.0),
            rows=rows,
            columns=columns,
        )

    def levels(self, error: Tensor) -> Tensor:
        """10 log₁₀(Ē_k + 1e-9) + gain at each place, dB; -inf where not looked at.

        Args:
            error: (B, C, H, W) squared errors, pixels in [0, 1] (`mnad.scoring.squared_error`), float32.

        Returns:
            (B, S, H, W) float32.
        """
        # Sums over columns, then rows, of at most k values that are not negative: exact to 2 k roundings of
        # float32 (1e-4 dB), which differences of an integral image are not. Autocast would make them bf16.
        with torch.autocast(error.device.type, enabled=False):
            masked = error.float().mean(dim=-3) * self.keep
            sums = self.rows @ (masked[:, None] @ self.columns)
            return 10 * (sums * self.weight + FLOOR).log10() + self.gain

    def __call__(self, error: Tensor) -> Tensor:
        """local_k of squared errors (B, C, H, W), pixels in [0, 1]; (B, S) float64, dB. NaN for NaN."""
        return self.levels(error).amax(dim=(-2, -1)).double()

    def place(self, error: Tensor, box: int) -> Place:
        """Where a frame's error is: the argmax in one box size, and the region around it.

        The region are the places, connected over edges and corners, where the level is above half (-3 dB) of
        its maximum.

        Args:
            error: (C, H, W) squared errors of one frame, pixels in [0, 1].
            box: index into `boxes`, the one that won.
        """
        level = self.levels(error[None])[0, box].double().cpu().numpy()
        height, width = level.shape
        row, column = (int(i) for i in np.unravel_index(level.argmax(), level.shape))
        region = connected(level > level[row, column] - 10 * np.log10(2), row, column)
        rows, columns = np.flatnonzero(region.any(axis=1)), np.flatnonzero(region.any(axis=0))
        top, left = int(rows[0]), int(columns[0])
        return Place(
            x=(column + 0.5) / width,
            y=(row + 0.5) / height,
            box=(
                left / width,
                top / height,
                (int(columns[-1]) + 1 - left) / width,
                (int(rows[-1]) + 1 - top) / height,
            ),
        )


def box_sizes(height: int, width: int, scales: tuple[float, ...] = SCALES) -> tuple[int, ...]:
    """k of each box, growing; sizes that two scales share are there once."""
    return tuple(sorted({box_size(height, width, scale) for scale in scales}))


def box_size(height: int, width: int, scale: float) -> int:
    """k, the odd number nearest max(3, min(H, W) / scale); the larger of two as near."""
    return 2 * int(max(3.0, min(height, width) / scale) / 2) + 1


def connected(region: np.ndarray, row: int, column: int) -> np.ndarray:
    """The part of a region (H, W) bool that is connected, over edges and corners, to a place in it."""
    found = np.zeros_like(region)
    found[row, column] = True
    size = 0
    while size < (size := int(found.sum())):
        edged = np.pad(found, 1)
        tall = edged[:-2] | edged[1:-1] | edged[2:]
        found = region & (tall[:, :-2] | tall[:, 1:-1] | tall[:, 2:])
    return found


def _neighbours(length: int, k: int) -> Tensor:
    """(length, length) float32: 1 where two rows or columns lie in one box of k centred at either."""
    at = torch.arange(length)
    return ((at[:, None] - at).abs() <= k // 2).float()
