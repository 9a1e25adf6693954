"""What each rank reads in an epoch, as pure functions of the manifest, seed, epoch and world size.

Each rank has an equal share of the windows, the same in every epoch, so that what it has read stays useful
to it: in its memory, on its disk, in its page cache. A share is a contiguous part of the randomly ordered
segments; a segment on the cut between two shares belongs to both, for different windows. In each epoch a
rank permutes its segments and spreads the windows of each over the next `pool` ones, so that at any moment
about `pool` segments are held and each contributes equally. With a pool of all segments the order is a
uniform permutation. How many threads read makes no difference to any of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

POOL_SEGMENTS = 64
"""Segments that a rank mixes at a time: 0.45 GB of 256x256 colour frames, a third of that in gray."""


@dataclass(frozen=True, kw_only=True)
class EpochPlan:
    """One rank's share of one epoch.

    A read is one stay of a segment in the pool. Most segments are read once; where the pool does not hold
    them all, the last `pool` ones are read twice (their windows wrap around to the start of the epoch, so
    that mixing is as good there as anywhere).

    Attributes:
        batch: B, windows per step.
        segments: (S,) ascending, the segments that the rank reads in any epoch.
        reads: (R,) segment indices, roughly in the order of use.
        window_reads: (steps * B,) for each window in training order, the index of its read.
        window_starts: (steps * B,) its first frame within the segment.
    """

    batch: int
    segments: np.ndarray
    reads: np.ndarray
    window_reads: np.ndarray
    window_starts: np.ndarray

    @property
    def steps(self) -> int:
        """Batches of the epoch, the same on every rank."""
        return len(self.window_reads) // self.batch


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When each read is needed.

    Attributes:
        reads: (K,) indices into the plan's reads, in the order of their first use.
        first, last: (K,) steps of their first and last use, from the step that was asked for on.
    """

    reads: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @property
    def peak(self) -> int:
        """The most reads that any step finds between their first and last use."""
        if not len(self.reads):
            return 0
        changes = np.zeros(int(self.last.max()) + 2, np.int64)
        np.add.at(changes, self.first, 1)
        np.add.at(changes, self.last + 1, -1)
        return int(np.cumsum(changes).max())


def steps_per_epoch(windows: Sequence[int], world: int, batch: int) -> int:
    """Steps that every rank takes; fewer than `world * batch` windows are left out.

    Args:
        windows: how many windows start in each segment of the split.
        world: number of ranks.
        batch: B, windows per rank and step.
    """
    return int(sum(windows)) // (world * batch)


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
        pool: segments to mix at a time; up to twice as many are held where that spares reading any twice.
    """
    segment, start = _share(np.asarray(windows, np.int64), seed, rank, world)
    segments = np.unique(segment)
    rng = _generator(seed, _EPOCH, epoch, rank)
    # Ranks whose share is not a whole number of batches leave out other windows in each epoch.
    kept = np.sort(rng.permutation(len(segment))[: steps_per_epoch(windows, world, batch) * batch])
    segment, start = segment[kept], start[kept]
    order = rng.permutation(segments[np.isin(segments, segment, assume_unique=True)])
    if len(order) <= 2 * pool:
        pool = len(order)
    place_of = np.zeros(len(windows), np.int64)
    place_of[order] = np.arange(len(order))
    time = place_of[segment] + pool * rng.random(len(segment))
    wrapped = time >= len(order)
    by_time = np.argsort(np.where(wrapped, time - len(order), time), kind="stable")
    # A stay's number is its segment's place; stays that wrap come before all others, in the same order.
    # A pool that holds everything never lets go between the two, so there each segment stays once.
    stay = place_of[segment] - np.where(wrapped & (pool < len(order)), len(order), 0)
    stays, window_reads = np.unique(stay[by_time], return_inverse=True)
    return EpochPlan(
        batch=batch,
        segments=segments,
        reads=order[stays],  # a negative stay counts from the end, as it should
        window_reads=window_reads,
        window_starts=start[by_time],
    )


def schedule(plan: EpochPlan, first_step: int = 0) -> Schedule:
    """When the steps from `first_step` on need each read; reads that only earlier steps need are left out."""
    steps = np.arange(first_step * plan.batch, len(plan.window_reads)) // plan.batch
    used = plan.window_reads[first_step * plan.batch :]
    first = np.full(len(plan.reads), plan.steps)
    np.minimum.at(first, used, steps)
    last = np.full(len(plan.reads), -1)
    np.maximum.at(last, used, steps)
    wanted = np.flatnonzero(last >= 0)
    reads = wanted[np.argsort(first[wanted], kind="stable")]
    return Schedule(reads=reads, first=first[reads], last=last[reads])


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


_ORDER, _CUT, _EPOCH = range(3)
"""What random numbers are for, so that none are used for two things."""


def _generator(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=purpose))


def _share(counts: np.ndarray, seed: int, rank: int, world: int) -> tuple[np.ndarray, np.ndarray]:
    """A rank's windows, segment by segment: (N,) their segments and (N,) their starts."""
    order = _generator(seed, _ORDER).permutation(len(counts))
    ends = np.cumsum(counts[order])
    total = int(ends[-1]) if len(ends) else 0
    lower, upper = total * rank // world, total * (rank + 1) // world
    begins = ends - counts[order]
    mine = np.flatnonzero((begins < upper) & (ends > lower) & (begins < ends))
    segments: list[np.ndarray] = [np.zeros(0, np.int64)]
    starts: list[np.ndarray] = [np.zeros(0, np.int64)]
    for segment, begin, end in zip(order[mine], begins[mine], ends[mine], strict=True):
        if lower <= begin and end <= upper:
            taken = np.arange(counts[segment])
        else:
            shuffled = _generator(seed, _CUT, int(segment)).permutation(counts[segment])
            taken = shuffled[max(0, lower - begin) : upper - begin]
        segments.append(np.full(len(taken), segment))
        starts.append(taken)
    return np.concatenate(segments), np.concatenate(starts)
