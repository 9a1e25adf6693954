"""The sink that keeps exhibits: it selects what a report shows of frames and of the use of the memory."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mnad import Observed
from mnad.memory import similarity
from pipeline.runs.provenance import Provenance, work_digest
from pipeline.scoring.exhibits import Exhibits, exhibits_name, write_exhibits
from pipeline.scoring.scorer import ScoredBatch
from shards.manifest import Video
from shards.storage import Storage

MOST_PICTURES = 1000
"""Pictures in one evaluation: some 5 kB each, so a report stays below 10 MB."""

Draw = Callable[[Video, Observed, Tensor], list[bytes]]
"""Pictures (P,) of a video's frames, given some windows and which (P,) of those to show."""


class ExhibitWriter:
    """Gathers exhibits of every `stride`-th frame, and writes them together.

    Args:
        out: the evaluation.
        rank: of this process.
        provenance: of the work.
        videos: of the split.
        items: (M, D) the trained memory.
        stride: see `stride_for`.
        grid: rows and columns of queries in a frame.
        draw: makes pictures.
    """

    def __init__(
        self,
        out: Storage,
        rank: int,
        provenance: Provenance,
        videos: Sequence[Video],
        *,
        items: Tensor,
        stride: int,
        grid: tuple[int, int],
        draw: Draw,
    ) -> None:
        self._out = out
        self._rank = rank
        self._provenance = provenance
        self._videos = videos
        self._items = items
        self._stride = stride
        self._draw = draw
        self._nearest = torch.zeros((*grid, len(items)), dtype=torch.int64, device=items.device)
        self._video: list[str] = []
        self._frame: list[int] = []
        self._pictures: list[bytes] = []
        self._queries: list[np.ndarray] = []
        self._is_written = False

    def observe(self, scored: ScoredBatch) -> None:
        """Take what is wanted of the next batch."""
        video, seen = self._videos[scored.video], scored.seen
        nearest = similarity(seen.queries, seen.items).argmax(dim=-1)
        self._nearest.view(-1, len(self._items)).scatter_add_(1, nearest.mT, torch.ones_like(nearest.mT))
        chosen = np.flatnonzero(scored.frames % self._stride == 0)
        if not len(chosen):
            return
        numbers = scored.frames[chosen]
        rows = torch.from_numpy(chosen).to(seen.frame.device)
        # All places in turn, in an order without pattern.
        places = torch.from_numpy(numbers // self._stride * 7919 % seen.queries.shape[1])
        self._queries.append(seen.queries[rows, places.to(rows.device)].cpu().numpy())
        self._video += [video.name] * len(chosen)
        self._frame += numbers.tolist()
        self._pictures += self._draw(video, seen, rows)

    def close(self) -> None:
        """Write the file."""
        width = self._items.shape[1]
        exhibits = Exhibits(
            video=np.array(self._video, np.str_),
            frame=np.array(self._frame, np.int64),
            pictures=self._pictures,
            queries=np.concatenate([np.zeros((0, width), np.float32), *self._queries]),
            items=self._items.cpu().numpy(),
            nearest=self._nearest.cpu().numpy(),
        )
        processes, work = self._provenance.processes, work_digest(self._provenance.to_json())
        write_exhibits(self._out, self._rank, processes, exhibits, work)
        self._is_written = True

    def discard(self) -> None:
        """Remove the file."""
        if self._is_written:
            self._out.delete(exhibits_name(self._rank, self._provenance.processes))


def stride_for(frames: int) -> int:
    """The smallest stride that gives at most MOST_PICTURES of all `frames`."""
    return max(1, -(-frames // MOST_PICTURES))
