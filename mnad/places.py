"""A feature distance that the paper does not have: from what is normal at each place of the frame.

The published one (equation 11) is the distance of each query to its nearest item. Where items stand for
parts of the background, most of it is how far the background at a place is from its item, whoever passes
there. Here a query is compared with those of normal windows at the same place instead, and each place counts
by how much it usually varies.

Dimension letters: B batch, N queries of a frame, one at each place, D features.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

FLOOR = 1e-3
"""The share of their mean that is added to variances and spreads, since some features and places hardly
vary."""


@dataclass(frozen=True, kw_only=True)
class NormalPlaces:
    """What the queries of normal windows are like at each place.

    Attributes:
        mean, variance: (N, D) float32, of the queries.
        usual, spread: (N,) float32, mean and standard deviation of the queries' `deviation`.
    """

    mean: Tensor
    variance: Tensor
    usual: Tensor
    spread: Tensor

    @classmethod
    @torch.no_grad()
    def fit(cls, queries: Callable[[], Iterable[Tensor]]) -> "NormalPlaces":
        """From queries (B, N, D) of normal windows, which are gone through twice.

        Raises:
            ValueError: they are fewer than two, or all the same.
        """
        mean, variance = _moments(batch.double() for batch in queries())
        if not variance.any():
            raise ValueError("found normal windows that do not differ, expected real video")
        mean, variance = mean.float(), _floored(variance).float()
        usual, square = _moments(deviation(batch, mean, variance).double() for batch in queries())
        return cls(mean=mean, variance=variance, usual=usual.float(), spread=_floored(square.sqrt()).float())

    def distance(self, queries: Tensor, _: Tensor) -> Tensor:
        """How far queries (B, N, D) are from normal, (B,) float64: 0 on average over the normal windows.

        The mean over places of the deviation there, in standard deviations from its mean. Takes the place of
        `mnad.scoring.feature_distance`; the memory's items play no part.
        """
        deviations = deviation(queries, self.mean, self.variance)
        return ((deviations - self.usual) / self.spread).mean(dim=-1).double()


def deviation(queries: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Mean over features of the squared distance to the mean over the variance; (B, N) of (B, N, D)."""
    return ((queries - mean).square() / variance).mean(dim=-1)


def _moments(batches: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance over the first dimension of all batches together."""
    count, total, squares = 0, torch.tensor(0.0), torch.tensor(0.0)
    for batch in batches:
        count += len(batch)
        total = total.to(batch) + batch.sum(dim=0)
        squares = squares.to(batch) + batch.square().sum(dim=0)
    if count < 2:
        raise ValueError(f"found {count} normal windows, expected at least 2")
    mean = total / count
    return mean, (squares / count - mean.square()).clamp_min(0)


def _floored(values: Tensor) -> Tensor:
    return values + FLOOR * values.mean()
