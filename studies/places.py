"""Whether a memory's items stand for what is seen or for places of the frame.

    python studies/places.py SHARDS RUN [RUN ...]

Takes every 8th test window. Of each place it finds the usual item, the one that is most often the nearest to
the query there, and prints in percent how many queries have their place's usual item

real          in those windows
right, down   in some of them moved by half their width or height, so that each place shows another
blank         in a window of middle gray
noise         in windows of noise

For `right` and `down` follow how many queries have instead the usual item of the place that they came from,
as all would if items stood for what is seen, and for how many places the two items are the same anyway.
`within` is the share of the queries' variance that is within places; the rest is between them.
"""

import torch
from torch import Tensor

import probing
from mnad import MNAD
from mnad.memory import similarity
from mnad.networks import STRIDE as GRID
from pipeline.runs.checkpoint import load_checkpoint

STRIDE = 8
DIRECTIONS = {"right": -1, "down": -2}
"""Dimension of windows, and of the grid of places, along which they are moved."""


def test_windows(shards: str, window: int) -> Tensor:
    """Every STRIDE-th test window, (B, T, C, H, W)."""
    batches = probing.batches(shards, "testing", window)
    return torch.cat([batch.windows[::STRIDE].clone() for batch in batches])


@torch.no_grad()
def encoded(model: MNAD, windows: Tensor) -> Tensor:
    """Queries (B, N, D) of windows."""
    parts = (model.encode(model.split(part)[0]).queries for part in torch.split(windows, probing.BATCH))
    return torch.cat(list(parts))


def percentage(holds: Tensor) -> float:
    """How often it holds."""
    return 100 * holds.float().mean().item()


def probe(model: MNAD, windows: Tensor) -> dict[str, float]:
    """The figures of one model."""
    items = model.memory.items
    queries = encoded(model, windows)
    usual = similarity(queries, items).argmax(dim=-1).mode(dim=0).values
    few = windows[::STRIDE]
    noise = torch.randn(few.shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    shown = {"real": queries}
    shown |= {
        name: encoded(model, few.roll(few.shape[dim] // 2, dims=dim)) for name, dim in DIRECTIONS.items()
    }
    shown |= {"blank": encoded(model, torch.zeros_like(few[:1])), "noise": encoded(model, noise)}
    nearest = {name: similarity(some, items).argmax(dim=-1) for name, some in shown.items()}
    figures = {name: percentage(found == usual) for name, found in nearest.items()}
    grid = usual.view(-1, few.shape[-1] // GRID)
    for name, dim in DIRECTIONS.items():
        came_from = grid.roll(grid.shape[dim] // 2, dims=dim).flatten()
        figures[f"{name}, item of where from"] = percentage(nearest[name] == came_from)
        figures[f"{name}, items the same"] = percentage(usual == came_from)
    within = (queries - queries.mean(dim=0)).square().sum(dim=-1).mean()
    total = (queries - queries.mean(dim=(0, 1))).square().sum(dim=-1).mean()
    return {**figures, "within": 100 * (within / total).item()}


def main() -> None:
    given = probing.options(__doc__)
    windows: Tensor | None = None
    for run in given.runs:
        checkpoint = load_checkpoint(run)
        if windows is None:
            windows = test_windows(given.shards, checkpoint.spec.window)
        figures = probe(checkpoint.model(), windows)
        print(f"{run}: " + "; ".join(f"{name} {value:.2f} %" for name, value in figures.items()))


if __name__ == "__main__":
    main()
