"""From shards to batches of windows on a device.

Threads read, check and decode segments (all of which releases the GIL); a segment crosses to the device
once, as uint8, into a pool that lives there; windows are gathered and normalised on the device. Neighbouring
windows share four of their five frames, so this moves 1.1 frames per window instead of five.

Dimension letters: B batch, T frames of a window, C channels, H W height and width.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from shards.manifest import Geometry, Located, Manifest, Split
from shards.plan import EpochPlan
from shards.reader import SegmentReader
from shards.storage import Storage

In = TypeVar("In")
Out = TypeVar("Out")


def prefetched(work: Callable[[In], Out], items: Iterable[In], threads: int) -> Iterator[Out]:
    """`map(work, items)` in order, with up to `2 * threads` results under way ahead of the consumer."""
    with ThreadPoolExecutor(threads, thread_name_prefix="shards") as executor:
        pending: deque[Future[Out]] = deque()
        try:
            for item in items:
                pending.append(executor.submit(work, item))
                if len(pending) > 2 * threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def normalise(windows: Tensor, geometry: Geometry) -> Tensor:
    """Stored uint8 windows (B, T, H, W, C) to float32 (B, T, 3, H, W) in [-1, 1]; gray is repeated."""
    values = windows.permute(0, 1, 4, 2, 3).to(torch.float32).div_(geometry.scale).add_(geometry.offset)
    return values.expand(-1, -1, geometry.channels, -1, -1)


class TrainingStream:
    """Shuffled batches of one split, by the plan of each epoch.

    Args:
        storage, manifest, split: what to read.
        window: T.
        device: where batches are made.
        threads: that read and decode; no influence on the order.
    """

    def __init__(
        self,
        storage: Storage,
        manifest: Manifest,
        split: Split,
        *,
        window: int,
        device: torch.device,
        threads: int = 2,
    ) -> None:
        self.segments = manifest.segments(split, window)
        self._storage = storage
        self._manifest = manifest
        self._split: Split = split
        self._window = window
        self._device = device
        self._threads = threads

    @property
    def windows(self) -> list[int]:
        """Windows of each segment, for the plan."""
        return [located.windows for located in self.segments]

    def batches(self, plan: EpochPlan, first_step: int = 0) -> Iterator[Tensor]:
        """Batches (B, T, 3, H, W) float32 in [-1, 1] on the device, from step `first_step` of the plan on.

        Segments that only earlier steps use are not read.
        """
        skipped = first_step * plan.batch
        last_use = np.full(len(plan.reads), -1)
        np.maximum.at(last_use, plan.window_reads, np.arange(len(plan.window_reads)))
        first_use = np.full(len(plan.reads), len(plan.window_reads))
        np.minimum.at(first_use, plan.window_reads[skipped:], np.arange(skipped, len(plan.window_reads)))
        wanted = np.flatnonzero(last_use >= skipped)
        wanted = wanted[np.argsort(first_use[wanted], kind="stable")]
        pool = _Pool(self._manifest, self._split, self._window, self._device)
        with SegmentReader(self._storage, self._manifest) as reader:
            segments = prefetched(
                reader.read, (self.segments[plan.reads[read]] for read in wanted), self._threads
            )
            queue = deque(wanted)
            for step in range(first_step, plan.steps):
                rows = slice(step * plan.batch, (step + 1) * plan.batch)
                needed = plan.window_reads[rows]
                while queue and first_use[queue[0]] < rows.stop:
                    pool.insert(int(queue.popleft()), next(segments))
                yield pool.gather(needed, plan.window_starts[rows])
                for read in np.unique(needed):
                    if last_use[read] < rows.stop:
                        pool.release(int(read))


class _Pool:
    """Decoded segments on the device, in slots that are used again."""

    def __init__(self, manifest: Manifest, split: Split, window: int, device: torch.device) -> None:
        self._geometry = manifest.geometry
        self._channels = manifest.stored_channels(split)
        longest = max(located.segment.frames for located in manifest.segments(split, window))
        self._shape = (longest, self._geometry.height, self._geometry.width, self._channels)
        self._device = device
        self._frames = torch.empty((0, *self._shape), dtype=torch.uint8, device=device)
        self._steps = torch.arange(window, device=device)
        self._free: list[int] = []
        self._slots: dict[int, int] = {}

    def insert(self, read: int, frames: np.ndarray) -> None:
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._slots[read] = slot
        source = torch.from_numpy(frames if frames.flags.writeable else frames.copy())
        self._frames[slot, : len(frames)] = source.to(self._device, non_blocking=True)

    def _grow(self) -> None:
        held = len(self._frames)
        more = max(8, held // 2)
        grown = torch.empty((held + more, *self._shape), dtype=torch.uint8, device=self._device)
        grown[:held] = self._frames
        self._frames = grown
        self._free = list(range(held, held + more))

    def release(self, read: int) -> None:
        self._free.append(self._slots.pop(read))

    def gather(self, reads: np.ndarray, starts: np.ndarray) -> Tensor:
        slots = np.array([self._slots[int(read)] for read in reads])
        first = torch.from_numpy(slots * self._shape[0] + starts).to(self._device, non_blocking=True)
        rows = first[:, None] + self._steps
        windows = self._frames.flatten(0, 1)[rows]
        return normalise(windows, self._geometry)


@dataclass(frozen=True, kw_only=True)
class VideoBatch:
    """Consecutive windows of one video.

    Attributes:
        video: index into the split's videos.
        frames: (B,) the frame number that each window is about, its last.
        windows: (B, T, 3, H, W) float32 in [-1, 1].
    """

    video: int
    frames: np.ndarray
    windows: Tensor


def evaluation_batches(
    storage: Storage,
    manifest: Manifest,
    split: Split,
    *,
    window: int,
    batch: int,
    device: torch.device,
    videos: Iterable[int] | None = None,
    threads: int = 2,
) -> Iterator[VideoBatch]:
    """Each window of the chosen videos once, in order.

    Args:
        storage, manifest, split: what to read.
        window: T.
        batch: B, at most; a batch never spans two segments.
        device: where batches are made.
        videos: indices into the split's videos; None for all.
        threads: that read and decode.
    """
    chosen = None if videos is None else set(videos)
    located = [s for s in manifest.segments(split, window) if chosen is None or s.video in chosen]
    with SegmentReader(storage, manifest) as reader:

        def load(item: Located) -> tuple[Located, np.ndarray]:
            return item, reader.read(item)

        for item, stored in prefetched(load, located, threads):
            frames = torch.from_numpy(stored if stored.flags.writeable else stored.copy()).to(device)
            cut = (
                frames.unfold(0, window, 1).permute(0, 4, 1, 2, 3)[: item.windows]
                if item.windows
                else frames[:0]
            )
            for start in range(0, item.windows, batch):
                windows = normalise(cut[start : start + batch], manifest.geometry)
                numbers = item.segment.first + window - 1 + start + np.arange(len(windows))
                yield VideoBatch(video=item.video, frames=numbers, windows=windows)
