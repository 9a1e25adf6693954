"""What each rank reads in an epoch, as pure functions of the manifest, seed, epoch and world size.

Segments are permuted; ranks take equal, contiguous shares of the permuted windows; within a rank the
windows of a segment are spread over the next `pool` segments, so that at any moment about `pool`
segments are held and each contributes equally. With `pool` at least the number of segments the order is a
uniform permutation. How many threads read makes no difference to any of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POOL_SEGMENTS = 64
"""Segments held by one rank: 0.45 GB of 256x256 colour frames, a third of that where material is gray."""


@dataclass(frozen=True, kw_only=True)
class EpochPlan:
    """One rank's share of one epoch.

    A read is one stay of a segment in the pool. Most segments are read once; where the pool cannot hold
    them all, the last `pool` ones are read twice (their windows wrap around to the start of the epoch, so
    that mixing is as good there as anywhere).

    Attributes:
        batch: B, windows per step.
        reads: (R,) segment indices in the order of reading.
        window_reads: (steps * B,) for each window in training order, the index of its read.
        window_starts: (steps * B,) its first frame within the segment.
    """

    batch: int
    reads: np.ndarray
    window_reads: np.ndarray
    window_starts: np.ndarray

    @property
    def steps(self) -> int:
        """Batches of the epoch, the same on every rank."""
        return len(self.window_reads) // self.batch


def steps_per_epoch(windows: Sequence[int], world: int, batch: int) -> int:
    """Steps that every rank takes; fewer than `world * batch` windows are left out."""
    return sum(windows) // (world * batch)


def epoch_plan(
    windows: Sequence[int],
    *,
    seed: int,
    epoch: int,
    rank: int,
    world: int,
    batch: int,
    pool: int = POOL_SEGMENTS,
) -> EpochPlan:
    """One rank's share of an epoch.

    Args:
        windows: how many windows start in each segment of the split.
        seed, epoch: fix the order.
        rank, world: this process among all.
        batch: B, windows per rank and step.
        pool: segments held at a time.
    """
    counts = np.asarray(windows, np.int64)
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(counts))
    # All windows of the epoch, segment after segment, shuffled within each, so that the cut between two
    # ranks, and the windows left out, fall on random windows.
    segment = np.repeat(order, counts[order])
    ends = np.cumsum(counts[order])
    start = np.arange(len(segment)) - np.repeat(ends - counts[order], counts[order])
    shuffled = np.lexsort((rng.random(len(segment)), np.repeat(np.arange(len(order)), counts[order])))
    share = steps_per_epoch(windows, world, batch) * batch
    mine = slice(rank * share, (rank + 1) * share)
    return _mix(segment[mine], start[shuffled][mine], batch, pool, np.random.default_rng([seed, epoch, rank]))


def _mix(
    segment: np.ndarray, start: np.ndarray, batch: int, pool: int, rng: np.random.Generator
) -> EpochPlan:
    """Spread each segment's windows over the next `pool` segments' places, wrapping around at the end."""
    if not len(segment):
        none = np.zeros(0, np.int64)
        return EpochPlan(batch=batch, reads=none, window_reads=none, window_starts=none)
    changes = np.flatnonzero(np.diff(segment, prepend=-1))
    count = len(changes)
    place = np.repeat(np.arange(count), np.diff(changes, append=len(segment)))
    spread = place + min(pool, count) * rng.random(len(segment))
    wrapped = spread >= count
    # A stay's number is its segment's place; stays that wrap come before all others, in the same order.
    # A pool that holds everything never lets go between the two, so there each segment stays once.
    stay = np.where(wrapped & (pool < count), place - count, place)
    by_time = np.argsort(np.where(wrapped, spread - count, spread), kind="stable")
    stays, window_reads = np.unique(stay[by_time], return_inverse=True)
    return EpochPlan(
        batch=batch,
        reads=segment[changes][stays % count],
        window_reads=window_reads,
        window_starts=start[by_time],
    )


def videos_of_rank(frames: Sequence[int], rank: int, world: int) -> list[int]:
    """The videos that one rank evaluates, in order: longest first to the least loaded rank.

    Args:
        frames: of each video.
        rank, world: this process among all.
    """
    loads = [0] * world
    mine = []
    for video in sorted(range(len(frames)), key=lambda index: (-frames[index], index)):
        target = loads.index(min(loads))
        loads[target] += frames[video]
        if target == rank:
            mine.append(video)
    return sorted(mine)
