"""From shards to batches of windows on a device.

Threads read, check and decode segments (all of which releases the GIL); a segment crosses to the device
once, as uint8, into a pool that lives there; windows are gathered and normalised on the device. Neighbouring
windows share four of their five frames, so this moves 1.1 frames per window instead of five.

Host memory is bounded whatever the size of the set: a pool of up to `2 * POOL_SEGMENTS` segments and a few
more on their way (on a GPU, only these are in host memory), and for the plan 16 bytes per window of the
rank's share, 100 while it is made.

Dimension letters: B batch, T frames of a window, C channels, H W height and width.
"""

import contextlib
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, groupby
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from shards.cache import DiskCache
from shards.choices import CACHES, CacheName, Split
from shards.errors import ShardError
from shards.holdout import HeldOut, remaining
from shards.manifest import Manifest
from shards.memory import SegmentMemory, Source, check_room
from shards.plan import EpochPlan, schedule
from shards.pool import SegmentPool
from shards.reader import SegmentReader
from shards.rows import Located
from shards.storage import Storage
from shards.windows import VideoBatch, normalise, sliding_windows

_SLACK = 32
"""For so many segments that an epoch holds at a time, its pool has one slot more. How many these are depends
on the order: of 40 epochs, up to 2 more than in the first where that held 64, and up to 10 more where it
held 473 for eight ranks (sets of 150 to 3,000 segments). So a later epoch seldom needs a new pool."""

In = TypeVar("In")
Out = TypeVar("Out")


class TrainingStream:
    """Shuffled batches of one split, by the plan of each epoch.

    Args:
        storage, manifest, split: what to read.
        window: T.
        device: where batches are made.
        threads: that read and decode; no influence on the order.
        cache: `none`; or keep decoded segments after they were first read, in host memory (`ram`) or on the
            `device`. A rank keeps its own share of the set. Batches and their order stay the same. A share
            that the pool holds whole anyway is always kept.
        disk_cache: for remote shards; None for the default one.
        held_out: what of the split's videos is kept aside and not read.

    Raises:
        ShardError: the split has no windows of T frames.
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
        cache: CacheName = "none",
        disk_cache: DiskCache | None = None,
        held_out: Sequence[HeldOut] = (),
    ) -> None:
        if cache not in CACHES:
            raise ShardError(f"cache {cache!r} is not one of {', '.join(CACHES)}")
        self.segments = remaining(manifest.segments(split, window), manifest.split(split), held_out, window)
        if not self.segments.windows.any():
            raise ShardError(
                f"{storage}: no {split} video has {window} frames in a row; preprocess {split} videos into it"
            )
        self._geometry = manifest.geometry
        self._channels = manifest.stored_channels(split)
        self._window = window
        self._device = device
        self._threads = threads
        self._cache = cache
        reader = SegmentReader(storage, manifest, disk_cache)
        self._source: Source = SegmentMemory(reader) if cache == "ram" else reader
        self._idle: tuple[SegmentPool, dict[int, int]] | None = None

    @property
    def windows(self) -> np.ndarray:
        """(N,) int64, windows of each segment, for the plan."""
        return self.segments.windows

    def batches(self, plan: EpochPlan, first_step: int = 0) -> Generator[Tensor, None, None]:
        """Batches (B, T, 3, H, W) float32 in [-1, 1] on the device, from step `first_step` of the plan on.

        Segments that only earlier steps use are not read.
        """
        for windows in self.stored_batches(plan, first_step):
            yield normalise(windows, self._geometry)

    def stored_batches(self, plan: EpochPlan, first_step: int = 0) -> Iterator[Tensor]:
        """As `batches`, but as stored: uint8 (B, T, H, W, C), C = 1 or 3, each valid until the next."""
        timed = schedule(plan, first_step)
        keeps = plan.holds_all or self._cache == "device"
        # A pool that keeps its segments knows them by their number in the set, others by that of the stay.
        keys = plan.reads if keeps else np.arange(len(plan.reads))
        # By the whole epoch, also where little of it is left: what the next one needs is asked for at once.
        peak = (schedule(plan) if first_step else timed).peak
        slots = len(plan.segments) if keeps else peak + lookahead(self._threads)
        with self._borrowed_pool(plan, slots, keeps) as (pool, slot_of):
            free = deque(sorted(set(range(pool.slots)) - set(slot_of.values())))
            loads: dict[int, tuple[int, int]] = {}
            for read, first in zip(timed.reads.tolist(), timed.first.tolist(), strict=True):
                if keys[read] not in slot_of:
                    loads.setdefault(int(keys[read]), (first, int(plan.reads[read])))
            leaving = deque(np.argsort(timed.last, kind="stable").tolist())

            def load(item: tuple[int, int]) -> tuple[int, Tensor]:
                segment, slot = item
                located = self.segments[segment]
                landed = pool.landing(slot, located.segment.frames)
                self._source.read_into(located, landed.numpy())
                return slot, landed

            # A slot is taken when a segment is asked for; there are enough for all in use and under way.
            items = ((segment, free.popleft()) for _, segment in loads.values())
            with contextlib.closing(prefetched(load, items, self._threads)) as arriving:
                coming = deque((first, key) for key, (first, _) in loads.items())
                for step in range(first_step, plan.steps):
                    while coming and coming[0][0] <= step:
                        slot, landed = next(arriving)
                        pool.arrive(slot, landed)
                        slot_of[coming.popleft()[1]] = slot
                    rows = slice(step * plan.batch, (step + 1) * plan.batch)
                    used = keys[plan.window_reads[rows]].tolist()
                    yield pool.gather(np.array([slot_of[key] for key in used]), plan.window_starts[rows])
                    while not keeps and leaving and timed.last[leaving[0]] <= step:
                        free.append(slot_of.pop(int(timed.reads[leaving.popleft()])))

    @contextlib.contextmanager
    def _borrowed_pool(
        self, plan: EpochPlan, slots: int, keeps: bool
    ) -> Iterator[tuple[SegmentPool, dict[int, int]]]:
        """A pool of enough slots, and where in it segments are: the last epoch's if that will do.

        Raises:
            ShardError: it will not, and there is no room for another in its place.
        """
        (pool, slot_of), self._idle = self._idle or (None, {}), None
        if not keeps or not slot_of.keys() <= set(plan.segments.tolist()):
            slot_of.clear()
        if pool is None or pool.slots < slots:
            pool, slot_of = None, {}  # whose memory counts as free from here on
            slots += 0 if keeps else -(-slots // _SLACK)
            longest = int(self.segments.column("frames").max())
            shape = (longest, self._geometry.height, self._geometry.width, self._channels)
            check_room(self._asked(plan, slots) * math.prod(shape), self._cache, self._device)
            pool = SegmentPool(slots, shape, window=self._window, device=self._device)
        try:
            yield pool, slot_of
        finally:
            if not keeps:
                slot_of.clear()
            self._idle = pool, slot_of

    def _asked(self, plan: EpochPlan, slots: int) -> int:
        """Segments for which there must be room: those of a new pool, or of the cache if more are missing."""
        if self._cache == "none":
            return slots
        kept = self._source.kept if isinstance(self._source, SegmentMemory) else 0
        return max(slots, len(plan.segments) - kept)


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
        batch: B, at most; a batch never spans two videos.
        device: where batches are made.
        videos: indices into the split's videos; None for all.
        threads: that read and decode.
    """
    located = manifest.segments(split, window, None if videos is None else sorted(set(videos)))
    reader = SegmentReader(storage, manifest)

    def load(run: list[Located]) -> list[tuple[Located, Tensor]]:
        frames = [torch.from_numpy(each) for each in reader.read_run(run)]
        return [
            (item, each.pin_memory() if device.type == "cuda" else each)
            for item, each in zip(run, frames, strict=True)
        ]

    channels = manifest.stored_channels(split)
    arrived = chain.from_iterable(prefetched(load, reader.runs(located), threads))
    for video, parts in groupby(arrived, key=lambda part: part[0].video):
        arriving = (
            frames.to(device, non_blocking=True).expand(-1, -1, -1, channels) for frames in _each_once(parts)
        )
        for numbers, windows in sliding_windows(arriving, window=window, batch=batch):
            yield VideoBatch(video=video, frames=numbers, windows=normalise(windows, manifest.geometry))


def windows_at(
    storage: Storage,
    manifest: Manifest,
    split: Split,
    numbers: np.ndarray,
    *,
    window: int,
    batch: int,
    threads: int = 2,
) -> Iterator[Tensor]:
    """Some of a split's windows, in order; only segments that hold one are read, each once.

    Args:
        storage, manifest, split: what to read.
        numbers: (N,) of the windows, ascending, counted from the first of the first video on.
        window: T.
        batch: B; only the last batch is smaller.
        threads: that read and decode.

    Yields:
        As stored: uint8 (B, T, H, W, C), C = 1 or 3.
    """
    located = manifest.segments(split, window)
    ends = np.cumsum(located.windows)
    holders = np.searchsorted(ends, numbers, side="right")
    starts = numbers - (ends - located.windows)[holders]
    used, firsts = np.unique(holders, return_index=True)
    channels = manifest.stored_channels(split)
    reader = SegmentReader(storage, manifest)

    def load(item: tuple[int, np.ndarray]) -> list[Tensor]:
        segment, chosen = item
        frames = torch.from_numpy(reader.read(located[segment])).expand(-1, -1, -1, channels)
        return [frames[start : start + window].clone() for start in chosen.tolist()]

    held: list[Tensor] = []
    chosen = np.split(starts, firsts[1:])
    # Of no windows, np.split makes one empty part.
    for windows in prefetched(load, zip(used.tolist(), chosen, strict=False), threads):
        held += windows
        while len(held) >= batch:
            yield torch.stack(held[:batch])
            del held[:batch]
    if held:
        yield torch.stack(held)


def _each_once(segments: Iterable[tuple[Located, Tensor]]) -> Iterator[Tensor]:
    """The frames of a video's segments without those that the segment before has, too."""
    end = 0
    for located, frames in segments:
        yield frames[max(0, end - located.segment.first) :]
        end = located.segment.first + len(frames)


def prefetched(work: Callable[[In], Out], items: Iterable[In], threads: int) -> Generator[Out, None, None]:
    """`map(work, items)` in order, with up to `lookahead(threads)` results under way."""
    executor = ThreadPoolExecutor(threads, thread_name_prefix="shards")
    pending: deque[Future[Out]] = deque()
    try:
        for item in items:
            pending.append(executor.submit(work, item))
            if len(pending) == lookahead(threads):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


def lookahead(threads: int) -> int:
    """Segments under way at a time: as many again as are being read wait to be used."""
    return 2 * threads + 1
