"""Every rank takes the same number of steps, and no window is seen twice."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards import plan as plan_module
from shards.plan import EpochPlan, epoch_plan, joined, schedule, steps_per_epoch, videos_of_rank

ragged = st.lists(st.integers(0, 40), min_size=1, max_size=9)


def seen(plan: EpochPlan) -> list[tuple[int, int]]:
    """(segment, start) of each window in training order."""
    return list(zip(plan.reads[plan.window_reads].tolist(), plan.window_starts.tolist(), strict=True))


@settings(max_examples=300, deadline=None)
@given(
    windows=ragged,
    world=st.integers(1, 8),
    batch=st.integers(1, 9),
    pool=st.integers(1, 9),
    seed=st.integers(0, 2**63),
    epoch=st.integers(0, 5),
)
def test_an_epoch_sees_each_window_at_most_once_and_drops_less_than_a_global_batch(
    windows: list[int], world: int, batch: int, pool: int, seed: int, epoch: int
) -> None:
    plans = [
        epoch_plan(windows, seed=seed, epoch=epoch, rank=rank, world=world, batch=batch, pool=pool)
        for rank in range(world)
    ]
    assert {plan.steps for plan in plans} == {steps_per_epoch(windows, world, batch)}
    together = [window for plan in plans for window in seen(plan)]
    assert len(set(together)) == len(together)
    assert all(0 <= start < windows[segment] for segment, start in together)
    assert 0 <= sum(windows) - len(together) < world * batch


@settings(max_examples=100, deadline=None)
@given(windows=ragged, world=st.integers(1, 8), batch=st.integers(1, 4), seed=st.integers(0, 99))
def test_a_rank_has_the_same_share_in_every_epoch(
    windows: list[int], world: int, batch: int, seed: int
) -> None:
    for rank in range(world):
        plans = [
            epoch_plan(windows, seed=seed, epoch=epoch, rank=rank, world=world, batch=batch)
            for epoch in range(3)
        ]
        assert all(np.array_equal(plan.segments, plans[0].segments) for plan in plans)
        assert all(set(plan.reads) <= set(plan.segments) for plan in plans)
        union = set().union(*(seen(plan) for plan in plans))
        assert len(union) <= -(-sum(windows) // world)


def batches(plan: EpochPlan) -> list[list[tuple[int, int]]]:
    """(segment, start) of the windows of each step."""
    windows = seen(plan)
    return [windows[step * plan.batch : (step + 1) * plan.batch] for step in range(plan.steps)]


def in_turn(plans: list[EpochPlan]) -> list[list[tuple[int, int]]]:
    """The windows of each step of several plans, one plan after the other."""
    steps = zip(*(batches(plan) for plan in plans), strict=True)
    return [[window for part in parts for window in part] for parts in steps]


@settings(max_examples=200, deadline=None)
@given(
    windows=ragged,
    world=st.integers(1, 8),
    batch=st.integers(1, 4),
    pool=st.integers(1, 9),
    seed=st.integers(0, 99),
    cut=st.floats(0, 1),
)
def test_joined_plans_have_the_batches_of_each_in_every_step(
    windows: list[int], world: int, batch: int, pool: int, seed: int, cut: float
) -> None:
    plans = [
        epoch_plan(windows, seed=seed, epoch=1, rank=rank, world=world, batch=batch, pool=pool)
        for rank in range(world)
    ]
    alone = in_turn(plans)
    assert batches(joined(plans)) == alone
    assert set(joined(plans).segments) == set().union(*(plan.segments for plan in plans))
    split = max(1, round(cut * (world - 1)))
    some = [joined(part) for part in (plans[:split], plans[split:]) if part]
    assert in_turn(some) == alone


@settings(max_examples=200, deadline=None)
@given(
    windows=ragged,
    batch=st.integers(1, 5),
    pool=st.integers(1, 9),
    seed=st.integers(0, 99),
    part=st.floats(0, 1),
)
def test_the_schedule_has_exactly_what_the_remaining_steps_use(
    windows: list[int], batch: int, pool: int, seed: int, part: float
) -> None:
    plan = epoch_plan(windows, seed=seed, epoch=0, rank=0, world=1, batch=batch, pool=pool)
    first_step = round(part * plan.steps)
    timed = schedule(plan, first_step)
    needed = [set(plan.window_reads[s * batch : (s + 1) * batch]) for s in range(first_step, plan.steps)]
    assert set(timed.reads) == set().union(*needed)
    assert (np.diff(timed.first) >= 0).all()
    for read, first, last in zip(timed.reads, timed.first, timed.last, strict=True):
        uses = [step for step, reads in enumerate(needed, first_step) if read in reads]
        assert (first, last) == (uses[0], uses[-1])
    live = [((timed.first <= s) & (s <= timed.last)).sum() for s in range(first_step, plan.steps)]
    assert timed.peak == max(live, default=0)


def test_the_pool_bounds_the_segments_held() -> None:
    windows = [32] * 1000
    for pool in (8, 64):
        plan = epoch_plan(windows, seed=0, epoch=0, rank=0, world=1, batch=4, pool=pool)
        assert schedule(plan).peak <= pool + 2
        assert len(plan.reads) <= len(windows) + pool


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 5), min_size=30, max_size=60),
    pool=st.integers(1, 9),
    grid=st.sampled_from((2, 1 << 52)),
    seed=st.integers(0, 99),
)
def test_windows_are_sorted_by_time_as_a_stable_sort_does(
    counts: list[int], pool: int, grid: int, seed: int
) -> None:
    """Of a coarse grid of times many are equal."""
    rng = np.random.default_rng(seed)
    place = np.repeat(rng.permutation(len(counts)), counts)
    time = (place + pool * (rng.integers(0, grid, len(place)) / grid)) % len(counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "_PLACES", 8)
        found = plan_module._by_time(place, time, len(counts), pool)
    assert found.tolist() == np.argsort(time, kind="stable").tolist()


def test_the_order_of_a_set_is_what_it_always_was() -> None:
    windows = np.random.default_rng(0).integers(0, 41, 9000)
    plan = epoch_plan(windows, seed=3, epoch=2, rank=1, world=3, batch=7)
    values = (plan.segments, plan.reads, plan.window_reads, plan.window_starts)
    digest = hashlib.sha256(b"".join(each.astype("<i8").tobytes() for each in values)).hexdigest()
    assert digest == "980d3c0442066d6cf2eff38eab791beadac8ccc04a812b7b50290924ec429f82"


def test_few_segments_are_each_read_once() -> None:
    plan = epoch_plan([32] * 100, seed=0, epoch=0, rank=0, world=1, batch=4, pool=50)
    assert plan.holds_all
    assert sorted(plan.reads) == list(range(100))
    assert not epoch_plan([32] * 100, seed=0, epoch=0, rank=0, world=1, batch=4, pool=49).holds_all


def test_one_segment_serves_many_ranks() -> None:
    plans = [epoch_plan([33], seed=3, epoch=1, rank=rank, world=8, batch=2) for rank in range(8)]
    assert [plan.steps for plan in plans] == [2] * 8
    assert len({window for plan in plans for window in seen(plan)}) == 32


def test_a_set_smaller_than_a_global_batch_gives_no_steps() -> None:
    plan = epoch_plan([3], seed=0, epoch=0, rank=0, world=2, batch=2)
    assert plan.steps == 0
    assert schedule(plan).peak == 0


def test_no_segments_at_all_give_no_steps() -> None:
    assert epoch_plan([], seed=0, epoch=0, rank=0, world=1, batch=2).steps == 0


def test_epochs_seeds_and_ranks_have_orders_of_their_own() -> None:
    def order(**changed: int) -> list[tuple[int, int]]:
        return seen(
            epoch_plan([32] * 8, **{"seed": 0, "epoch": 0, "rank": 0, "world": 2, "batch": 4, **changed})
        )

    assert order() == order()
    for changed in ({"epoch": 1}, {"seed": 1}, {"rank": 1}):
        assert order() != order(**changed)


def test_left_out_windows_differ_between_epochs() -> None:
    missing = []
    for epoch in range(20):
        plan = epoch_plan([16, 16, 5], seed=0, epoch=epoch, rank=0, world=1, batch=32)
        missing += sorted({(s, w) for s, n in enumerate([16, 16, 5]) for w in range(n)} - set(seen(plan)))
    assert len(set(missing)) > 30


def test_a_pool_of_everything_is_a_uniform_permutation() -> None:
    places = np.zeros((12, 12))
    for seed in range(4000):
        plan = epoch_plan([5, 1, 6], seed=seed, epoch=0, rank=0, world=1, batch=1, pool=3)
        numbers = [[0, 5, 6][segment] + start for segment, start in seen(plan)]
        places[np.arange(12), numbers] += 1
    expected = 4000 / 12
    chi_squared = ((places - expected) ** 2 / expected).sum()
    assert chi_squared < 200  # 121 degrees of freedom: 1 in 100,000


def test_a_small_pool_mixes_as_well_at_both_ends_as_in_the_middle() -> None:
    spans = []
    for seed in range(50):
        plan = epoch_plan([32] * 200, seed=seed, epoch=0, rank=0, world=1, batch=64, pool=16)
        segments = plan.reads[plan.window_reads].reshape(plan.steps, 64)
        spans.append([len(set(step)) for step in segments])
    mean = np.mean(spans, axis=0)
    assert mean.min() > 0.9 * mean.mean()


@given(frames=st.lists(st.integers(1, 2000), max_size=30), world=st.integers(1, 8))
def test_each_video_is_evaluated_by_exactly_one_rank(frames: list[int], world: int) -> None:
    shares = [videos_of_rank(frames, rank, world) for rank in range(world)]
    assert sorted(video for share in shares for video in share) == list(range(len(frames)))
    assert all(share == sorted(share) for share in shares)
    loads = [sum(frames[video] for video in share) for share in shares]
    assert max(loads) - min(loads) <= max(frames, default=0)


@given(frames=st.lists(st.integers(0, 5), max_size=40), world=st.integers(1, 6))
def test_each_video_goes_to_the_first_of_the_least_loaded_ranks(frames: list[int], world: int) -> None:
    loads = [0] * world
    shares: list[list[int]] = [[] for _ in range(world)]
    for video in sorted(range(len(frames)), key=lambda index: (-frames[index], index)):
        rank = loads.index(min(loads))
        loads[rank] += frames[video]
        shares[rank].append(video)
    assert [videos_of_rank(frames, rank, world) for rank in range(world)] == [sorted(s) for s in shares]


@pytest.mark.parametrize("world", [1, 3])
def test_planning_a_large_set_is_quick(world: int) -> None:
    plan = epoch_plan([32] * 20_000, seed=0, epoch=0, rank=world - 1, world=world, batch=16)
    assert plan.steps == 640_000 // (16 * world)
    assert schedule(plan).peak <= 66
