"""How far the order of training is from a uniform permutation, for sets of several sizes and pools.

    python studies/shuffle.py [--seeds 3]

Sets are simulated (numbers and lengths of videos); nothing is read. Per set and pool, means over seeds:

overlap    chance in a thousand that two windows of one batch share frames
video      the same, that two windows of one batch are of one video
jump KS    Kolmogorov-Smirnov distance of the jump from each window's source to the next one's, in frames of
           the whole set, from its distribution in uniform permutations
pairs      chance in a million that two windows that are in one batch in an epoch are so in the next as well
place      correlation of a window's place in an epoch with its place in the next
reread     segments read again because the pool does not hold all
"""

import argparse
from dataclasses import dataclass

import numpy as np

from shards.limits import SEGMENT_WINDOWS
from shards.plan import epoch_plan

WINDOW, BATCH = 5, 16


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """A set without pixels.

    Attributes:
        windows: (S,) windows of each segment.
        video: (S,) its video.
        first: (S,) the number of its first frame, counted over the whole set.
    """

    windows: np.ndarray
    video: np.ndarray
    first: np.ndarray


def simulate(lengths: list[int]) -> Simulated:
    """The segments of videos with these numbers of frames."""
    windows, video, first = [], [], []
    begin = 0
    for index, frames in enumerate(lengths):
        for start in range(0, frames - WINDOW + 1, SEGMENT_WINDOWS):
            windows.append(min(SEGMENT_WINDOWS, frames - WINDOW + 1 - start))
            video.append(index)
            first.append(begin + start)
        begin += frames
    return Simulated(windows=np.array(windows), video=np.array(video), first=np.array(first))


def shanghaitech() -> list[int]:
    """330 videos, 274,515 frames."""
    lengths = np.random.default_rng(0).gamma(4, 1, 330)
    return [max(50, int(share * 274_515)) for share in lengths / lengths.sum()]


SETS = {
    "Ped2 (16 videos)": [160] * 15 + [150],
    "Avenue (16 videos)": [958] * 16,
    "ShanghaiTech (330 videos)": shanghaitech(),
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """One epoch of one rank: (N,) the video of each window, and its first frame counted over the set."""

    video: np.ndarray
    frame: np.ndarray
    reads: int = 0


def planned(simulated: Simulated, seed: int, epoch: int, pool: int) -> Order:
    plan = epoch_plan(
        simulated.windows.tolist(), seed=seed, epoch=epoch, rank=0, world=1, batch=BATCH, pool=pool
    )
    segment = plan.reads[plan.window_reads]
    frame = simulated.first[segment] + plan.window_starts
    return Order(video=simulated.video[segment], frame=frame, reads=len(plan.reads))


def uniform(simulated: Simulated, seed: int, epoch: int) -> Order:
    segment = np.repeat(np.arange(len(simulated.windows)), simulated.windows)
    starts = np.concatenate([np.arange(count) for count in simulated.windows])
    order = np.random.default_rng([seed, epoch]).permutation(len(segment))[: len(segment) // BATCH * BATCH]
    frame = (simulated.first[segment] + starts)[order]
    return Order(video=simulated.video[segment][order], frame=frame, reads=len(simulated.windows))


def paired(values: np.ndarray, related: int) -> float:
    """The share of pairs within a batch that differ by less than `related`."""
    batches = values.reshape(-1, BATCH)
    close = np.abs(batches[:, :, None] - batches[:, None, :]) < related
    return float((close.sum() - values.size) / (len(batches) * BATCH * (BATCH - 1)))


def repeated_pairs(one: Order, other: Order) -> float:
    """The share of pairs of a batch of one epoch that are in one batch of the other, too."""
    batch_of = np.full(int(max(one.frame.max(), other.frame.max())) + 1, -1)
    batch_of[other.frame] = np.arange(len(other.frame)) // BATCH
    batches = batch_of[one.frame].reshape(-1, BATCH)
    same = (batches[:, :, None] == batches[:, None, :]) & (batches[:, :, None] >= 0)
    same[:, np.arange(BATCH), np.arange(BATCH)] = False
    return float(same.mean() * BATCH / (BATCH - 1))


def same_place(one: Order, other: Order) -> float:
    """The correlation of places in two epochs."""
    common, places, others = np.intersect1d(one.frame, other.frame, return_indices=True)
    assert len(common) > 0.9 * len(one.frame)
    return float(np.corrcoef(places, others)[0, 1])


def ks_distance(one: np.ndarray, other: np.ndarray) -> float:
    one, other = np.sort(one), np.sort(other)
    values = np.concatenate([one, other])
    shares = [np.searchsorted(part, values, "right") / len(part) for part in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for name, lengths in SETS.items():
        simulated = simulate(lengths)
        print(
            f"\n{name}: {simulated.windows.sum()} windows in {len(simulated.windows)} segments, batch {BATCH}"
        )
        print(f"{'pool':>10}{'overlap':>9}{'video':>9}{'jump KS':>9}{'pairs':>9}{'place':>9}{'reread':>9}")
        reference = np.concatenate(
            [np.abs(np.diff(uniform(simulated, 1000 + seed, 0).frame)) for seed in range(options.seeds)]
        )
        for pool in (8, 16, 32, 64, 128, 256, 0):
            rows = []
            for seed in range(options.seeds):
                one, other = (
                    planned(simulated, seed, epoch, pool) if pool else uniform(simulated, seed, epoch)
                    for epoch in (0, 1)
                )
                rows.append(
                    [
                        paired(one.frame, WINDOW) * 1e3,
                        paired(one.video, 1) * 1e3,
                        ks_distance(np.abs(np.diff(one.frame)), reference),
                        repeated_pairs(one, other) * 1e6,
                        same_place(one, other),
                        one.reads / len(simulated.windows) - 1,
                    ]
                )
            label = f"{pool}" if pool else "uniform"
            print(f"{label:>10}" + "".join(f"{value:9.3f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
