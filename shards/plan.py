"""What each rank reads in an epoch, as pure functions of the manifest, seed, epoch and world size.

Ranks need not be processes: one process may serve several of them, with their plans `joined`.

Each rank has an equal share of the windows, the same in every epoch, so that what it has read stays useful
to it: in its memory, on its disk, in its page cache. A share is a contiguous part of the randomly ordered
segments; a segment on the cut between two shares belongs to both, for different windows. In each epoch a
rank permutes its segments and spreads the windows of each over the next `pool` ones, so that at any moment
about `pool` segments are held and each contributes equally. With a pool of all segments the order is a
uniform permutation. How many threads read makes no difference to any of it.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Windows = Sequence[int] | np.ndarray
"""How many windows start in each segment of a split."""
POOL_SEGMENTS = 64
"""Segments that a rank mixes at a time: 0.45 GB of 256x256 colour frames, a third of that in gray."""


@dataclass(frozen=True, kw_only=True)
class EpochPlan:
    """One rank's share of one epoch, or that of several ranks, `joined`.

    A read is one stay of a segment in the pool. Most segments are read once; where the pool does not hold
    them all, the last `pool` ones are read twice (their windows wrap around to the start of the epoch, so
    that mixing is as good there as anywhere).

    Attributes:
        batch: B, windows per step.
        segments: (S,) ascending, the segments that the rank reads in any epoch.
        holds_all: whether the pool holds all of these at once.
        reads: (R,) segment indices, roughly in the order of use.
        window_reads: (steps * B,) for each window in training order, the index of its read.
        window_starts: (steps * B,) its first frame within the segment.
    """

    batch: int
    segments: np.ndarray
    holds_all: bool
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


def steps_per_epoch(windows: Windows, world: int, batch: int) -> int:
    """Steps that every rank takes; fewer than `world * batch` windows are left out.

    Args:
        windows: how many windows start in each segment of the split.
        world: number of ranks.
        batch: B, windows per rank and step.
    """
    return int(np.sum(windows, dtype=np.int64)) // (world * batch)


def epoch_plan(
    windows: Windows,
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
        pool: segments to mix at a time; a share of up to twice as many is held whole.
    """
    segment, start = _share(np.asarray(windows, np.int64), seed, rank, world)
    segments = _distinct(segment, len(windows))
    rng = _generator(seed, _EPOCH, epoch, rank)
    # Ranks whose share is not a whole number of batches leave out other windows in each epoch.
    left_out = _permutation(rng, len(segment))[steps_per_epoch(windows, world, batch) * batch :]
    segment, start = (_without(values, left_out) for values in (segment, start))
    order = rng.permutation(_distinct(segment, len(windows)))
    holds_all = len(segments) <= 2 * pool
    if holds_all:
        pool = len(order)
    place_of = np.zeros(len(windows), _narrow(2 * len(order)))
    place_of[order] = np.arange(len(order))
    place = place_of[segment]
    time = rng.random(len(segment))
    time *= pool
    time += place
    wrapped = time >= len(order)
    np.subtract(time, len(order), out=time, where=wrapped)
    by_time = _by_time(place, time, len(order), pool)
    # Stays that wrap are numbered by their segment's place, and come before all others, in the same order.
    # A pool that holds everything never lets go between the two, so there each segment stays once.
    stay = place
    stay[~wrapped | holds_all] += len(order)
    stays = _distinct(stay, 2 * len(order))
    read_of = np.zeros(2 * len(order), np.int64)
    read_of[stays] = np.arange(len(stays))
    return EpochPlan(
        batch=batch,
        segments=segments,
        holds_all=holds_all,
        reads=order[stays % max(1, len(order))],
        window_reads=read_of[stay[by_time]],
        window_starts=start[by_time].astype(np.int64),
    )


def _permutation(rng: np.random.Generator, count: int) -> np.ndarray:
    """What `rng.permutation(count)` gives, in half of the memory, which is what it takes its time for."""
    numbers = np.arange(count, dtype=np.uint32 if count < 1 << 32 else np.uint64)
    rng.shuffle(numbers)
    return numbers


def _without(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values (N,) but for those at a few places (K,)."""
    cuts = [-1, *np.sort(places).tolist(), len(values)]
    return np.concatenate([values[before + 1 : after] for before, after in pairwise(cuts)])


def _narrow(most: int) -> type[np.signedinteger[Any]]:
    """The type of numbers up to `most` in long arrays, which take half of the time where they are narrow."""
    return np.int32 if most < 1 << 31 else np.int64


_PLACES = 1024
"""Places whose windows are sorted at a time: 0.3 MB of numbers, which stay in a core's cache."""


def _by_time(place: np.ndarray, time: np.ndarray, places: int, pool: int) -> np.ndarray:
    """(N,) int64, what `np.argsort(time, kind="stable")` gives, in less than half of its time.

    Few windows may come at any time, so those of a stretch of time are sorted apart: as whole numbers, of
    time in front and of their number behind. Where two of these have the same time, it is sorted as it is.

    Args:
        place: (N,) of the windows; equal ones lie together.
        time: (N,) float64 in [0, places): from its place on for at most `pool`, going on from 0 at the end.
        places, pool: how many there are.
    """
    step = max(_PLACES, pool)
    if places <= step + pool:
        return np.argsort(time, kind="stable")
    begins = np.flatnonzero(np.append(True, place[1:] != place[:-1])[: len(place)])
    begin, count = np.zeros(places, np.int64), np.zeros(places, np.int64)
    begin[place[begins]], count[place[begins]] = begins, np.diff(begins, append=len(place))
    found = np.empty(len(place), np.int64)
    done = 0
    for start in range(0, places, step):
        end = min(places, start + step)
        near = np.arange(start - pool, end) % places
        windows = _runs(begin[near], count[near])
        at = time[windows]
        inside = (at >= start) & (at < end)
        windows, at = windows[inside], at[inside]
        bits = len(windows).bit_length()
        fraction = 64 - bits - step.bit_length()
        # Exact: both are multiples of the last digit of `at`, and a power of two changes no digit.
        keys = ((at - start) * 2.0**fraction).astype(np.uint64) << np.uint64(bits)
        keys |= np.arange(len(windows), dtype=np.uint64)
        keys.sort()
        order = (keys & np.uint64((1 << bits) - 1)).astype(np.int64)
        keys >>= np.uint64(bits)
        if (keys[1:] == keys[:-1]).any():
            order = np.lexsort((windows, at))
        found[done : done + len(windows)] = windows[order]
        done += len(windows)
    return found


def _runs(begins: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers [begin, begin + count) of each run, one run after another."""
    ends = np.cumsum(counts)
    numbers: np.ndarray = np.repeat(begins - (ends - counts), counts)
    numbers += np.arange(len(numbers))
    return numbers


def joined(plans: Sequence[EpochPlan]) -> EpochPlan:
    """One plan of several ranks, in each step of which the batches of all follow one another.

    Args:
        plans: at least one, of one epoch, with batches of one size.
    """
    offsets = np.cumsum([0, *(len(plan.reads) for plan in plans)])
    reads = [plan.window_reads + offset for plan, offset in zip(plans, offsets, strict=False)]
    return EpochPlan(
        batch=sum(plan.batch for plan in plans),
        segments=np.unique(np.concatenate([plan.segments for plan in plans])),
        holds_all=all(plan.holds_all for plan in plans),
        reads=np.concatenate([plan.reads for plan in plans]),
        window_reads=_interleaved(reads, plans[0].batch),
        window_starts=_interleaved([plan.window_starts for plan in plans], plans[0].batch),
    )


def _interleaved(parts: Sequence[np.ndarray], batch: int) -> np.ndarray:
    """(K, steps * B) to (steps * K * B,): for each step the B values of each part."""
    return np.stack(parts).reshape(len(parts), -1, batch).swapaxes(0, 1).reshape(-1)


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
    loads = [(0, other) for other in range(world)]  # a heap: of equal loads, the lowest rank comes first
    mine = []
    for video in sorted(range(len(frames)), key=lambda index: (-frames[index], index)):
        load, target = loads[0]
        heapq.heapreplace(loads, (load + frames[video], target))
        if target == rank:
            mine.append(video)
    return sorted(mine)


def _distinct(numbers: np.ndarray, end: int) -> np.ndarray:
    """(K,) ascending, each number once that occurs in (N,) numbers of [0, end); faster than sorting them."""
    found = np.zeros(end, bool)
    found[numbers] = True
    return np.flatnonzero(found)


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
    first = np.maximum(lower - begins[mine], 0)
    taken = np.minimum(ends[mine], upper) - begins[mine] - first
    offsets = np.cumsum(taken) - taken
    segments = np.repeat(order[mine].astype(_narrow(len(counts))), taken)
    starts = np.arange(len(segments), dtype=_narrow(len(segments)))
    starts -= np.repeat(offsets.astype(starts.dtype), taken)
    for place in np.flatnonzero(taken < counts[order[mine]]):  # at most two, on the cuts
        segment = int(order[mine[place]])
        shuffled = _generator(seed, _CUT, segment).permutation(counts[segment])
        start = offsets[place]
        starts[start : start + taken[place]] = shuffled[first[place] :][: taken[place]]
    return segments, starts
