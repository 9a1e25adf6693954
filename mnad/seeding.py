"""A start of the memory that the paper does not have: items that are queries of real windows.

The paper's start is random: items with positive coordinates, whose cosine similarity is 0.75, while the
queries of an untrained network lie elsewhere.
"""

import torch
from torch import Tensor

from mnad.memory import similarity
from mnad.model import MNAD


@torch.no_grad()
def seed_memory(model: MNAD, windows: Tensor) -> None:
    """Replace a model's items by queries of some windows that lie far from each other.

    Args:
        model: in train mode, so that BatchNorm goes by these windows; its running statistics stay.
        windows: (B, T, C, H, W) in [-1, 1].

    Raises:
        ValueError: there are fewer queries than items.
    """
    statistics = {name: buffer.clone() for name, buffer in model.named_buffers()}
    queries = model.encode(model.split(windows)[0]).queries.flatten(0, 1)
    for name, buffer in model.named_buffers():
        buffer.copy_(statistics[name])
    model.memory.items.copy_(spread(queries, len(model.memory.items)))


def spread(queries: Tensor, count: int) -> Tensor:
    """Queries (count, D) of unit queries (N, D): the most usual, then the least similar to those chosen.

    Raises:
        ValueError: N < count.
    """
    if len(queries) < count:
        raise ValueError(f"found {len(queries)} queries, expected at least {count}, one per item")
    mean = queries.mean(dim=0, keepdim=True)
    chosen = [int(similarity(queries, mean).argmax())]
    closest = similarity(queries, queries[chosen])[:, 0]
    while len(chosen) < count:
        chosen.append(int(closest.argmin()))
        closest = torch.maximum(closest, similarity(queries, queries[chosen[-1:]])[:, 0])
    return queries[chosen]
