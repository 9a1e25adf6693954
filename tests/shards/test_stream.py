"""Batches are exactly the planned windows, whatever reads them and wherever an epoch is taken up."""

import threading
import time
import tracemalloc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shards.choices import CACHES, CacheName
from shards.codecs import Codec
from shards.entries import Geometry
from shards.errors import CorruptShardError, ShardError
from shards.manifest import Manifest
from shards.plan import EpochPlan, epoch_plan, joined, schedule, steps_per_epoch, videos_of_rank
from shards.pool import SegmentPool
from shards.reader import SegmentReader
from shards.rows import Located
from shards.storage import Storage
from shards.stream import TrainingStream, evaluation_batches
from shards.windows import normalise
from tests.helpers.shards import exchange_frames, make_set, random_frames

CPU = torch.device("cpu")
VIDEOS = [random_frames(n, seed=n) for n in (40, 70, 3, 36, 5)]


@pytest.fixture(scope="module")
def colour(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storage, Manifest]:
    folder = tmp_path_factory.mktemp("colour")
    return Storage(folder), make_set(folder, {"training": VIDEOS, "testing": VIDEOS}, shard_bytes=30_000)


def direct(frames: np.ndarray) -> torch.Tensor:
    """Frames uint8 (T, H, W, C) as a window float32 (T, C, H, W)."""
    return torch.from_numpy(frames.transpose(0, 3, 1, 2).astype(np.float32)) / 127.5 - 1


def expected(
    stream: TrainingStream, plan: EpochPlan, videos: list[np.ndarray], window: int
) -> list[torch.Tensor]:
    """The batches of a plan, cut from the videos themselves."""
    windows = []
    for read, start in zip(plan.window_reads, plan.window_starts, strict=True):
        located = stream.segments[plan.reads[read]]
        first = located.segment.first + start
        windows.append(direct(videos[located.video][first : first + window]))
    return [torch.stack(windows[row : row + plan.batch]) for row in range(0, len(windows), plan.batch)]


def same(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return len(some) == len(others) and all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


def open_stream(colour: tuple[Storage, Manifest], **options: Any) -> TrainingStream:
    settings: dict[str, Any] = {"window": 5, "device": CPU, **options}
    return TrainingStream(*colour, "training", **settings)


@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize(("world", "pool"), [(1, 64), (1, 1), (3, 1), (8, 64)])
def test_ranks_together_see_each_window_once_exactly_as_in_the_video(
    colour: tuple[Storage, Manifest], window: int, world: int, pool: int
) -> None:
    stream = open_stream(colour, window=window)
    assert sum(stream.windows) == sum(max(0, len(video) - window + 1) for video in VIDEOS)
    seen = []
    for rank in range(world):
        plan = epoch_plan(stream.windows, seed=1, epoch=0, rank=rank, world=world, batch=2, pool=pool)
        batches = list(stream.batches(plan))
        assert same(batches, expected(stream, plan, VIDEOS, window))
        seen += [window.numpy().tobytes() for batch in batches for window in batch]
    assert len(seen) == len(set(seen)) == steps_per_epoch(stream.windows, world, 2) * world * 2


@pytest.mark.parametrize("pool", [1, 2, 64])
@pytest.mark.parametrize("cache", CACHES)
def test_a_process_that_serves_several_ranks_gets_the_batches_of_each(
    colour: tuple[Storage, Manifest], pool: int, cache: CacheName
) -> None:
    together, alone = open_stream(colour, cache=cache), open_stream(colour)
    for epoch in range(2):
        plans = [
            epoch_plan(alone.windows, seed=1, epoch=epoch, rank=rank, world=5, batch=2, pool=pool)
            for rank in range(3)
        ]
        wanted = [torch.cat(parts) for parts in zip(*(alone.batches(plan) for plan in plans), strict=True)]
        for first in (0, plans[0].steps // 2):
            assert same(list(together.batches(joined(plans), first)), wanted[first:])


def test_the_order_is_the_same_for_any_number_of_threads(colour: tuple[Storage, Manifest]) -> None:
    orders = []
    for threads in (1, 2, 5):
        stream = open_stream(colour, threads=threads)
        plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4, pool=1)
        orders.append(list(stream.batches(plan)))
    assert same(orders[0], orders[1])
    assert same(orders[0], orders[2])


@pytest.mark.parametrize("cache", CACHES)
def test_caches_change_nothing_in_any_epoch(colour: tuple[Storage, Manifest], cache: CacheName) -> None:
    plain, cached = open_stream(colour), open_stream(colour, cache=cache)
    for epoch in range(3):
        plan = epoch_plan(plain.windows, seed=0, epoch=epoch, rank=1, world=2, batch=4, pool=1)
        assert same(list(cached.batches(plan)), list(plain.batches(plan)))


@pytest.mark.parametrize(("cache", "pool"), [("ram", 1), ("device", 1), ("none", 64)])
def test_a_set_that_is_cached_or_fits_the_pool_is_read_once(
    tmp_path: Path, cache: CacheName, pool: int
) -> None:
    manifest = make_set(tmp_path, {"training": VIDEOS})
    stream = TrainingStream(Storage(tmp_path), manifest, "training", window=5, device=CPU, cache=cache)
    plans = [
        epoch_plan(stream.windows, seed=0, epoch=e, rank=0, world=1, batch=1, pool=pool) for e in range(2)
    ]
    first = list(stream.batches(plans[0]))
    assert len(first) == plans[0].steps
    for shard in tmp_path.glob("*.tar"):
        shard.unlink()
    assert same(list(stream.batches(plans[1])), expected(stream, plans[1], VIDEOS, 5))


def test_a_cache_that_was_filled_for_another_share_is_filled_again(colour: tuple[Storage, Manifest]) -> None:
    stream = open_stream(colour, cache="device")
    for rank in (0, 1, 0):
        plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=rank, world=3, batch=2)
        assert same(list(stream.batches(plan)), expected(stream, plan, VIDEOS, 5))


@pytest.mark.parametrize("cache", CACHES)
def test_frames_that_do_not_fit_the_memory_are_refused(
    colour: tuple[Storage, Manifest], monkeypatch: pytest.MonkeyPatch, cache: CacheName
) -> None:
    monkeypatch.setattr("shards.memory.available_memory", lambda: 1000)
    stream = open_stream(colour, cache=cache)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=2)
    with pytest.raises(ShardError, match=rf"--cache {cache}: .* do not fit in memory"):
        next(stream.batches(plan))


class Pools:
    """The pools of a machine with room for so many bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: float) -> None:
        self.made: list[weakref.ref[SegmentPool]] = []
        make = SegmentPool.__init__

        def noted(pool: SegmentPool, *args: Any, **options: Any) -> None:
            make(pool, *args, **options)
            self.made.append(weakref.ref(pool))

        def free() -> float:
            held = (pool() for pool in self.made)
            return room - sum(pool._frames.nbytes for pool in held if pool is not None)

        monkeypatch.setattr(SegmentPool, "__init__", noted)
        monkeypatch.setattr("shards.memory.available_memory", free)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storage, Manifest]:
    """A set of 28 segments of up to 35 frames."""
    folder = tmp_path_factory.mktemp("many")
    videos = [random_frames(40 + seed, (4, 4), seed=seed) for seed in range(14)]
    return Storage(folder), make_set(folder, {"training": videos})


SEGMENT = 35 * 4 * 4 * 3
"""Bytes of the longest of them."""


def test_a_new_pool_takes_the_place_of_one_that_is_too_small(
    many: tuple[Storage, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = Pools(monkeypatch, 20 * SEGMENT)
    stream = open_stream(many)
    for epoch, pool in enumerate((4, 8, 4)):
        plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=2, pool=pool)
        assert len(list(stream.stored_batches(plan))) == plan.steps
    assert len(pools.made) == 2


def test_a_pool_serves_an_epoch_that_holds_a_little_more(
    many: tuple[Storage, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = Pools(monkeypatch, 20 * SEGMENT)
    stream = open_stream(many)
    plans = [
        epoch_plan(stream.windows, seed=1, epoch=epoch, rank=0, world=1, batch=2, pool=6)
        for epoch in range(12)
    ]
    peaks = [schedule(plan).peak for plan in plans]
    assert max(peaks) > peaks[0], "no epoch holds more, so this says nothing"
    for plan in plans:
        assert len(list(stream.stored_batches(plan))) == plan.steps
    assert len(pools.made) == 1


def test_a_run_that_is_taken_up_at_the_end_of_an_epoch_has_a_pool_for_the_next(
    many: tuple[Storage, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    pools = Pools(monkeypatch, 20 * SEGMENT)
    stream = open_stream(many)
    for epoch in range(2):
        plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=2, pool=8)
        first = 0 if epoch else plan.steps - 1
        assert len(list(stream.stored_batches(plan, first))) == plan.steps - first
    assert len(pools.made) == 1


def test_a_new_pool_does_not_ask_for_room_that_the_cache_has_already(
    many: tuple[Storage, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = open_stream(many, cache="ram")
    for epoch, pool in enumerate((4, 8)):
        Pools(monkeypatch, (20 if epoch else 40) * SEGMENT)
        plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=2, pool=pool)
        assert len(list(stream.stored_batches(plan))) == plan.steps


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("pool", [1, 64])
def test_taking_up_an_epoch_at_any_step_goes_on_as_if_unbroken(
    colour: tuple[Storage, Manifest], pool: int, cache: CacheName
) -> None:
    stream = open_stream(colour)
    plan = epoch_plan(stream.windows, seed=0, epoch=3, rank=0, world=1, batch=8, pool=pool)
    whole = list(stream.batches(plan))
    assert len(whole) == plan.steps > 5
    for step in range(plan.steps + 1):
        resumed = open_stream(colour, threads=1 + step % 3, cache=cache)
        assert same(list(resumed.batches(plan, step)), whole[step:])


def test_taking_up_an_epoch_reads_nothing_of_what_came_before(tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"training": VIDEOS * 4})
    stream = TrainingStream(Storage(tmp_path), manifest, "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4, pool=1)
    late = plan.steps - 2
    needed = {stream.segments[s].shard for s in plan.reads[np.unique(plan.window_reads[late * 4 :])]}
    for shard in tmp_path.glob("*.tar"):
        if shard.name not in needed:
            shard.unlink()
    assert same(list(stream.batches(plan, late)), expected(stream, plan, VIDEOS * 4, 5)[late:])


def test_epochs_that_run_side_by_side_do_not_mix(colour: tuple[Storage, Manifest]) -> None:
    stream = open_stream(colour)
    plans = [epoch_plan(stream.windows, seed=0, epoch=e, rank=0, world=1, batch=4) for e in range(2)]
    pairs = list(zip(stream.batches(plans[0]), stream.batches(plans[1]), strict=True))
    for number, plan in enumerate(plans):
        assert same([pair[number] for pair in pairs], expected(stream, plan, VIDEOS, 5))


def test_an_abandoned_epoch_stops_its_threads_and_the_next_one_is_whole(
    colour: tuple[Storage, Manifest],
) -> None:
    stream = open_stream(colour)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    batches = stream.batches(plan)
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("shards")]
    assert same(list(stream.batches(plan)), expected(stream, plan, VIDEOS, 5))


def test_epochs_of_different_pools_and_shares_do_not_mix(colour: tuple[Storage, Manifest]) -> None:
    stream = open_stream(colour)
    for rank, pool, steps in (
        (0, 1, 3),
        (0, 64, 2),
        (0, 64, 99),
        (1, 64, 99),
        (1, 1, 5),
        (1, 1, 99),
        (0, 64, 99),
    ):
        plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=rank, world=2, batch=4, pool=pool)
        batches = stream.batches(plan)
        found = [batch for _, batch in zip(range(steps), batches, strict=False)]
        batches.close()
        assert same(found, expected(stream, plan, VIDEOS, 5)[:steps])


def test_threads_read_ahead_while_a_batch_is_used(
    colour: tuple[Storage, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    original = SegmentReader.read_into

    def noted(self: SegmentReader, located: Located, frames: np.ndarray) -> None:
        original(self, located, frames)
        read.append(located.segment.key)

    monkeypatch.setattr(SegmentReader, "read_into", noted)
    stream = open_stream(colour, threads=1)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=1, pool=1)
    batches = stream.batches(plan)
    next(batches)
    deadline = time.monotonic() + 10
    while len(read) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(read) == 3
    batches.close()


def test_gray_is_stored_once_and_restored_also_beside_colour(tmp_path: Path) -> None:
    gray = random_frames(40, seed=1, gray=True)
    only_gray = make_set(tmp_path / "gray", {"training": [gray]})
    assert only_gray.stored_channels("training") == 1
    mixed = make_set(tmp_path / "mixed", {"training": [gray, VIDEOS[0]]})
    assert mixed.stored_channels("training") == 3
    for name, manifest, videos in (("gray", only_gray, [gray]), ("mixed", mixed, [gray, VIDEOS[0]])):
        stream = TrainingStream(Storage(tmp_path / name), manifest, "training", window=5, device=CPU)
        plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
        batches = list(stream.batches(plan))
        assert same(batches, expected(stream, plan, videos, 5))
        assert batches[0].shape == (4, 5, 3, 16, 16)


@pytest.mark.parametrize("codec", [Codec(name="deflate"), Codec(name="jpeg", quality=95)])
@pytest.mark.parametrize("gray", [False, True])
def test_every_codec_streams(tmp_path: Path, codec: Codec, gray: bool) -> None:
    ramp = np.linspace(0, 200, 32 * 32 * 3 * 40).reshape(40, 32, 32, 3).astype(np.uint8)
    frames = np.repeat(ramp[..., :1], 3, axis=3) if gray else ramp
    manifest = make_set(tmp_path, {"training": [frames]}, codec=codec)
    stream = TrainingStream(Storage(tmp_path), manifest, "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    tolerance = 0 if codec.name == "deflate" else 8 / 127.5
    for found, wanted in zip(stream.batches(plan), expected(stream, plan, [frames], 5), strict=True):
        assert (found - wanted).abs().max() <= tolerance


def test_stored_batches_are_the_same_windows_in_bytes(colour: tuple[Storage, Manifest]) -> None:
    stream = open_stream(colour)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    for stored, batch in zip(stream.stored_batches(plan), stream.batches(plan), strict=True):
        assert stored.dtype == torch.uint8
        assert torch.equal(normalise(stored, Geometry(height=16, width=16)), batch)


@pytest.mark.parametrize("window", [1, 4, 5])
@pytest.mark.parametrize("batch", [1, 7, 50])
def test_evaluation_gives_each_window_once_in_order_in_full_batches(
    colour: tuple[Storage, Manifest], window: int, batch: int
) -> None:
    seen: dict[int, list[int]] = {}
    for part in evaluation_batches(*colour, "testing", window=window, batch=batch, device=CPU):
        assert len(part.windows) == len(part.frames) <= batch
        for frame, found in zip(part.frames, part.windows, strict=True):
            assert torch.equal(found, direct(VIDEOS[part.video][frame - window + 1 : frame + 1]))
        already = seen.setdefault(part.video, [])
        assert len(already) % batch == 0
        already += part.frames.tolist()
    for index, video in enumerate(VIDEOS):
        assert seen.get(index, []) == list(range(window - 1, len(video)))


def test_evaluation_is_shared_by_ranks_without_overlap(colour: tuple[Storage, Manifest]) -> None:
    frames = [len(video) for video in VIDEOS]
    seen = []
    for rank in range(3):
        mine = videos_of_rank(frames, rank, 3)
        parts = evaluation_batches(*colour, "testing", window=5, batch=8, device=CPU, videos=mine)
        seen += [(part.video, frame) for part in parts for frame in part.frames]
    assert sorted(seen) == [(v, f) for v, n in enumerate(frames) for f in range(4, n)]


def test_a_split_without_windows_is_refused(tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"testing": [VIDEOS[0]], "training": [VIDEOS[2]]})
    with pytest.raises(ShardError, match="no training video has 5 frames in a row"):
        TrainingStream(Storage(tmp_path), manifest, "training", window=5, device=CPU)


def test_windows_longer_than_the_set_serves_are_refused(colour: tuple[Storage, Manifest]) -> None:
    with pytest.raises(ShardError, match="windows of up to 5 frames, asked for 6"):
        open_stream(colour, window=6)


def test_an_unknown_cache_is_refused(colour: tuple[Storage, Manifest]) -> None:
    with pytest.raises(ShardError, match="not one of none, ram, device"):
        open_stream(colour, cache="disk")


def test_damage_stops_training_with_the_name_of_shard_and_segment(tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"training": VIDEOS})
    shard = sorted(tmp_path.glob("*.tar"))[1]
    data = bytearray(shard.read_bytes())
    data[len(data) // 3] ^= 1
    shard.write_bytes(data)
    stream = TrainingStream(Storage(tmp_path), manifest, "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    with pytest.raises(
        CorruptShardError, match=rf"{shard.name}: segment \S+: found bytes of digest \w+, expected \w+"
    ):
        list(stream.batches(plan))


def test_a_shard_that_changes_under_a_running_job_stops_it(tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"training": VIDEOS})
    stream = TrainingStream(Storage(tmp_path), manifest, "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4, pool=1)
    assert len(list(stream.batches(plan))) == plan.steps
    exchange_frames(tmp_path, tmp_path / "other")
    with pytest.raises(CorruptShardError, match="damaged or replaced"):
        list(stream.batches(plan))


def test_a_shard_that_is_written_again_with_the_same_bytes_does_no_harm(tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"training": VIDEOS})
    stream = TrainingStream(Storage(tmp_path), manifest, "training", window=5, device=CPU)
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4, pool=1)
    before = list(stream.batches(plan))
    make_set(tmp_path, {"training": VIDEOS})
    assert same(list(stream.batches(plan)), before)


def test_memory_grows_with_the_set_only_by_the_plan(tmp_path: Path) -> None:
    frames = random_frames(32 * 40 + 4, (32, 32))
    segment = 36 * 32 * 32 * 3
    peaks = []
    for videos in (1, 2, 6):  # the first one also loads modules
        manifest = make_set(tmp_path / f"{videos}", {"training": [frames] * videos})
        storage = Storage(tmp_path / f"{videos}")
        stream = TrainingStream(storage, manifest, "training", window=5, device=CPU, threads=1)
        assert len(stream.segments) == 40 * videos
        tracemalloc.start()
        for epoch in range(2):
            plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=8, pool=8)
            for _ in stream.stored_batches(plan):
                pass
        peaks.append(tracemalloc.get_traced_memory()[1] - 100 * sum(stream.windows))
        tracemalloc.stop()
    assert max(peaks[1:]) < 16 * segment  # 8 in the pool, 2 that come and go, 3 ahead, 1 in batches


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("pool", [1, 64])
def test_a_gpu_gets_the_same_batches(colour: tuple[Storage, Manifest], pool: int, cache: CacheName) -> None:
    on_host, on_gpu = open_stream(colour), open_stream(colour, device=torch.device("cuda"), cache=cache)
    for epoch in range(3):
        plan = epoch_plan(on_host.windows, seed=0, epoch=epoch, rank=0, world=1, batch=4, pool=pool)
        found = [batch.clone() for batch in on_gpu.stored_batches(plan)]
        wanted = [batch.clone() for batch in on_host.stored_batches(plan)]
        assert same([batch.cpu() for batch in found], wanted)
        for batch, other in zip(on_gpu.batches(plan), on_host.batches(plan), strict=True):
            torch.testing.assert_close(batch.cpu(), other, atol=3e-7, rtol=0)  # it divides in another way


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_evaluates_the_same_windows(colour: tuple[Storage, Manifest]) -> None:
    for part, other in zip(
        evaluation_batches(*colour, "testing", window=5, batch=7, device=torch.device("cuda")),
        evaluation_batches(*colour, "testing", window=5, batch=7, device=CPU),
        strict=True,
    ):
        assert (part.video, part.frames.tolist()) == (other.video, other.frames.tolist())
        torch.testing.assert_close(part.windows.cpu(), other.windows, atol=3e-7, rtol=0)
