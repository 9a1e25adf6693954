"""The memory of normal prototypes: read (paper section 3.2.1) and update (section 3.2.2).

Dimension letters: B batch, N queries of a frame, M items, D features; `...` is any leading shape.
Everything is float32 whatever the autocast state: a similarity is a sum of 512 products whose
softmax decides which item a query belongs to, and bfloat16 keeps three digits of it.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Reducer(Protocol):
    """Combines a tensor over the processes that train together, in place."""

    def max(self, tensor: Tensor) -> None:
        """Replace `tensor` by its elementwise maximum over all processes."""

    def sum(self, tensor: Tensor) -> None:
        """Replace `tensor` by its elementwise sum over all processes."""


def _in_float32(tensor: Tensor) -> torch.autocast:
    """The context in which products with a tensor keep its precision."""
    return torch.autocast(tensor.device.type, enabled=False)


def similarity(queries: Tensor, items: Tensor) -> Tensor:
    """Cosine similarity (..., N, M) of unit queries (..., N, D) to unit items (M, D) or (..., M, D)."""
    with _in_float32(queries):
        return queries @ items.mT


def read(queries: Tensor, items: Tensor) -> Tensor:
    """What the memory holds for each query: items averaged by softmax over similarity (equations 1 and 2).

    The weights carry no gradient, as in the published training: the encoder learns where its queries
    should lie from the decoder's use of the queries themselves and from the two memory losses.

    Args:
        queries: (..., N, D) unit length.
        items: (M, D), or (..., M, D) where each frame reads a memory of its own.

    Returns:
        (..., N, D), not normalised.
    """
    with torch.no_grad(), _in_float32(queries):
        return similarity(queries, items).softmax(dim=-1) @ items


def update(items: Tensor, queries: Tensor, reducer: Reducer | None = None) -> Tensor:
    """Items moved towards the queries that are nearest to them (equations 3 to 5).

    Each query goes to its nearest item with weight exp(s - max over all queries of s for that item):
    the paper's softmax over queries divided by its maximum, where the denominator cancels. So over
    several processes one maximum (M values) and one sum (M x D) give exactly the joint batch's update.

    Args:
        items: (M, D) unit length, or (B, M, D), one memory per frame.
        queries: (..., D) unit length; all leading dimensions are queries of one batch. Of several memories
            (B, N, D), each updated by its own frame alone.
        reducer: joins the processes of a distributed batch; None for one process.

    Returns:
        (M, D) or (B, M, D) unit length, without gradient.
    """
    with torch.no_grad(), _in_float32(queries):
        queries = queries.reshape(*items.shape[:-2], -1, queries.shape[-1])
        scores = similarity(queries, items)
        peak = scores.amax(dim=-2)
        if reducer is not None:
            reducer.max(peak)
        # Not one_hot: it looks at the values, that is, waits for them.
        nearest = torch.zeros_like(scores).scatter_(-1, scores.argmax(dim=-1, keepdim=True), 1.0)
        pull = (nearest * torch.exp(scores - peak[..., None, :])).mT @ queries
        if reducer is not None:
            reducer.sum(pull)
        return F.normalize(items + pull, dim=-1)


def nearest_two(queries: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    """The most and the second most similar item of each query, both (..., N, D), without gradient."""
    with torch.no_grad():
        first, second = similarity(queries, items).topk(2, dim=-1).indices.unbind(-1)
        return items[first], items[second]


class Memory(nn.Module):
    """M unit items of D features, a buffer of the model, saved and loaded with it."""

    items: Tensor

    def __init__(
        self, items: int = 10, features: int = 512, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("items", F.normalize(torch.rand(items, features, generator=generator), dim=1))

    @torch.no_grad()
    def update(self, queries: Tensor, reducer: Reducer | None = None) -> None:
        """Replace the items by `update(items, queries)`; queries (..., D) unit length."""
        self.items.copy_(update(self.items, queries, reducer))
