"""The sink that keeps exhibits: it selects what a report shows of frames and of the use of the memory."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from mnad import Observed
from mnad.memory import similarity
from pipeline.runs.provenance import Provenance, work_digest
from pipeline.scoring.exhibits import (
    Exhibits,
    chosen,
    exhibits_name,
    joined,
    nearest_counts,
    write_exhibits,
)
from pipeline.scoring.scorer import ScoredBatch
from shards.entries import Video
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
        known: exhibits of other videos of this process, which are there already.
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
        known: Exhibits | None = None,
    ) -> None:
        self._out = out
        self._rank = rank
        self._provenance = provenance
        self._videos = videos
        self._items = items
        self._stride = stride
        self._draw = draw
        self._known = known
        self._places = [np.zeros((0, *grid), np.uint16)]
        self._video: list[str] = []
        self._frame: list[int] = []
        self._pictures: list[bytes] = []
        self._queries: list[np.ndarray] = []
        self._is_written = False

    def observe(self, scored: ScoredBatch) -> None:
        """Take what is wanted of the next batch."""
        wanted = np.flatnonzero(scored.frames % self._stride == 0)
        if not len(wanted):
            return
        video, seen = self._videos[scored.video], scored.seen
        numbers = scored.frames[wanted]
        rows = torch.from_numpy(wanted).to(seen.frame.device)
        nearest = similarity(seen.queries[rows], seen.items[rows]).argmax(dim=-1)
        self._places.append(nearest.cpu().numpy().astype(np.uint16).reshape(-1, *self._places[0].shape[1:]))
        places = torch.from_numpy(_places(numbers, seen.queries.shape[1]))
        self._queries.append(seen.queries[rows, places.to(rows.device)].cpu().numpy())
        self._video += [video.name] * len(wanted)
        self._frame += numbers.tolist()
        self._pictures += self._draw(video, seen, rows)

    def close(self) -> None:
        """Write the file."""
        width = self._items.shape[1]
        nearest = np.concatenate(self._places)
        exhibits = Exhibits(
            video=np.array(self._video, np.str_),
            frame=np.array(self._frame, np.int64),
            pictures=self._pictures,
            queries=np.concatenate([np.zeros((0, width), np.float32), *self._queries]),
            items=self._items.cpu().numpy(),
            nearest=nearest_counts(nearest, len(self._items)),
            places=nearest,
        )
        if self._known is not None and len(self._known.frame):
            exhibits = self._in_order(joined([self._known, exhibits]))
        processes, work = self._provenance.processes, work_digest(self._provenance.to_json())
        write_exhibits(self._out, self._rank, processes, exhibits, work)
        self._is_written = True

    def _in_order(self, exhibits: Exhibits) -> Exhibits:
        """Sorted by the order of their videos; the frames of each are in order."""
        position = {video.name: number for number, video in enumerate(self._videos)}
        order = np.argsort([position[name] for name in exhibits.video.tolist()], kind="stable")
        return chosen(exhibits, order)

    def discard(self) -> None:
        """Remove the file."""
        if self._is_written:
            self._out.delete(exhibits_name(self._rank, self._provenance.processes))


def _places(frames: np.ndarray, count: int) -> np.ndarray:
    """(P,) int64 of [0, count): a place for each frame number (P,), in an order without pattern."""
    mixed = frames.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # the golden ratio, in 64 bits
    return ((mixed >> np.uint64(32)) % np.uint64(count)).astype(np.int64)


def stride_for(frames: int) -> int:
    """The smallest power of two that as a stride gives at most MOST_PICTURES of all `frames`.

    So where a set grows, the pictures of fewer frames are among those that were drawn before.
    """
    return 1 << max(0, (-(-frames // MOST_PICTURES) - 1).bit_length())
