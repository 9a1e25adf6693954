"""Whether a memory's items stand for what is seen or for places of the frame.

    python benchmarks/places.py SHARDS RUN [RUN ...]

Takes every 8th test window. Of each place it finds the usual item, the one that is most often the nearest to
the query there, and prints in percent how many queries have their place's usual item

real      in those windows
rolled    in some of them moved to the right by half their width, so that each place shows another
blank     in a window of middle gray
noise     in windows of noise

as well as `followed`, how many queries of the rolled windows have the usual item of the place they came
from, as all would if items stood for what is seen, and `within`, the share of the queries' variance that is
within places; the rest is between them.
"""

import probing
import torch
from torch import Tensor

from mnad import MNAD
from mnad.memory import similarity
from mnad.networks import STRIDE as GRID
from pipeline.checkpoint import load_checkpoint

STRIDE = 8


def test_windows(shards: str, window: int) -> Tensor:
    """Every STRIDE-th test window, (B, T, C, H, W)."""
    batches = probing.batches(shards, "testing", window)
    return torch.cat([batch.windows[::STRIDE].clone() for batch in batches])


@torch.no_grad()
def encoded(model: MNAD, windows: Tensor) -> Tensor:
    """Queries (B, N, D) of windows."""
    parts = (model.encode(model.split(part)[0]).queries for part in torch.split(windows, probing.BATCH))
    return torch.cat(list(parts))


def probe(model: MNAD, windows: Tensor) -> dict[str, float]:
    """The figures of one model."""
    items = model.memory.items
    queries = encoded(model, windows)
    usual = similarity(queries, items).argmax(dim=-1).mode(dim=0).values
    few = windows[::STRIDE]
    noise = torch.randn(few.shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    shown = {
        "real": queries,
        "rolled": encoded(model, few.roll(few.shape[-1] // 2, dims=-1)),
        "blank": encoded(model, torch.zeros_like(few[:1])),
        "noise": encoded(model, noise),
    }
    nearest = {name: similarity(some, items).argmax(dim=-1) for name, some in shown.items()}
    agreeing = {name: 100 * (found == usual).float().mean().item() for name, found in nearest.items()}
    columns = few.shape[-1] // GRID
    came_from = usual.view(-1, columns).roll(columns // 2, dims=-1).flatten()
    followed = 100 * (nearest["rolled"] == came_from).float().mean().item()
    within = (queries - queries.mean(dim=0)).square().sum(dim=-1).mean()
    total = (queries - queries.mean(dim=(0, 1))).square().sum(dim=-1).mean()
    return {**agreeing, "followed": followed, "within": 100 * (within / total).item()}


def main() -> None:
    given = probing.options(__doc__)
    windows: Tensor | None = None
    for run in given.runs:
        checkpoint = load_checkpoint(run)
        if windows is None:
            windows = test_windows(given.shards, checkpoint.spec.window)
        figures = probe(checkpoint.model(), windows)
        print(f"{run}: " + ", ".join(f"{name} {value:.2f} %" for name, value in figures.items()))


if __name__ == "__main__":
    main()
