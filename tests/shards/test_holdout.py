"""What is kept aside is drawn by the seed alone, comes near to the share, and no window touches it."""

from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.codecs import Codec
from shards.entries import Geometry, Segment, Shard, Video
from shards.holdout import GAP_SECONDS, LEAST_VIDEOS, HeldOut, hold_out, remaining
from shards.limits import SEGMENT_WINDOWS
from shards.manifest import Manifest
from shards.plan import epoch_plan
from shards.rows import Videos
from shards.segments import window_starts
from shards.storage import Storage
from shards.stream import TrainingStream
from tests.helpers.shards import make_set, random_frames

WINDOW = 5


def video(number: int, frames: int, rate: float | None = None, window: int = WINDOW) -> Video:
    """A video of so many frames, cut into segments as preprocess cuts it."""
    longest = SEGMENT_WINDOWS + window - 1
    firsts = range(0, max(1, frames - longest + SEGMENT_WINDOWS), SEGMENT_WINDOWS)
    segments = []
    for first in firsts:
        held = min(longest, frames - first)
        windows = window_starts(SEGMENT_WINDOWS, held, first == firsts[-1], window)
        segments.append(
            Segment(
                key="",
                offset=0,
                size=0,
                digest="0" * 64,
                first=first,
                frames=held,
                windows=windows,
                channels=3,
            )
        )
    shard = Shard(name=f"{number}.tar", bytes=0, segments=tuple(segments))
    facts = {} if rate is None else {"rate": rate}
    return Video(name=f"{number:02d}", split="training", frames=frames, source=facts, shards=(shard,))


def of(videos: list[Video], window: int = WINDOW) -> Manifest:
    return Manifest(
        dataset="folder",
        geometry=Geometry(height=8, width=8),
        codec=Codec(),
        window=window,
        videos=Videos.of(videos),
    )


lengths = st.lists(st.integers(1, 400), min_size=1, max_size=14)
shares = st.floats(0.01, 0.5)
seeds = st.integers(0, 2**63 - 1)


@settings(max_examples=300, deadline=None)
@given(frames=lengths, share=shares, seed=seeds, rate=st.sampled_from((None, 0.5, 25.0)), data=st.data())
def test_every_window_that_is_left_is_free_of_held_out_frames_and_gaps(
    frames: list[int], share: float, seed: int, rate: float | None, data: st.DataObject
) -> None:
    manifest = of([video(number, count, rate) for number, count in enumerate(frames)])
    videos = manifest.split("training")
    held_out = hold_out(videos, share=share, seed=seed, window=WINDOW)
    window = data.draw(st.integers(1, WINDOW))  # of the method, which may be shorter than that of the set
    blocked = {part.video: set(range(part.start - part.gap, part.end)) for part in held_out}
    assert len(blocked) == len(held_out)
    seen = set()
    for located in remaining(manifest.segments("training", window), videos, held_out, window):
        assert not located.windows or located.windows + window - 1 <= located.segment.frames
        for start in range(located.segment.first, located.segment.first + located.windows):
            of_window = videos[located.video]
            assert not blocked.get(of_window.name, set()) & set(range(start, start + window))
            seen.add((of_window.name, start))
    possible = {
        (each.name, start)
        for each in videos
        for start in range(each.frames - window + 1)
        if not blocked.get(each.name, set()) & set(range(start, start + window))
    }
    assert seen == possible


@settings(max_examples=500, deadline=None)
@given(frames=lengths, share=shares, seed=seeds)
def test_whole_videos_are_at_least_two_and_miss_the_share_by_one_video_at_most(
    frames: list[int], share: float, seed: int
) -> None:
    videos = [video(number, count) for number, count in enumerate(frames)]
    usable = [each for each in videos if each.frames >= WINDOW]
    held_out = hold_out(videos, share=share, seed=seed, window=WINDOW)
    by_name = {each.name: each for each in videos}
    assert [part.video for part in held_out] == sorted(part.video for part in held_out)
    assert all(part.frames >= WINDOW for part in held_out)
    if len(usable) < LEAST_VIDEOS or share * len(usable) < 1:
        for part in held_out:
            whole = by_name[part.video].frames
            assert part.end == whole
            assert part.frames == round(share * whole)
            assert part.start - part.gap >= WINDOW
        return
    assert all((part.start, part.end) == (0, by_name[part.video].frames) for part in held_out)
    assert 2 <= len(held_out) < len(usable)
    held, total = sum(part.frames for part in held_out), sum(each.frames for each in usable)
    assert abs(held - share * total) <= max(each.frames for each in usable)


@settings(max_examples=100, deadline=None)
@given(frames=lengths, share=shares, seed=seeds)
def test_the_draw_depends_on_lengths_and_seed_alone(frames: list[int], share: float, seed: int) -> None:
    videos = [video(number, count) for number, count in enumerate(frames)]
    once = hold_out(videos, share=share, seed=seed, window=WINDOW)
    torch.manual_seed(1)
    np.random.default_rng().random()
    assert hold_out(list(videos), share=share, seed=seed, window=WINDOW) == once
    assert hold_out(videos, share=0, seed=seed, window=WINDOW) == ()


def test_another_seed_draws_other_videos_and_each_comes_up() -> None:
    videos = [video(number, 100) for number in range(10)]
    draws = [hold_out(videos, share=0.2, seed=seed, window=WINDOW) for seed in range(100)]
    assert all(len(draw) == 2 for draw in draws)
    counts = [sum(part.video == each.name for draw in draws for part in draw) for each in videos]
    assert min(counts) >= 8 and max(counts) <= 35  # 20 each in the mean; 4 standard deviations on either side


def test_one_long_video_among_short_ones_is_not_drawn_beyond_the_share() -> None:
    videos = [video(number, count) for number, count in enumerate([*[100] * 9, 4000])]
    for seed in range(30):
        held_out = hold_out(videos, share=0.2, seed=seed, window=WINDOW)
        assert "09" not in {part.video for part in held_out}, "three quarters of all frames"


def test_of_few_videos_the_end_is_kept_after_a_minute() -> None:
    (part,) = hold_out([video(0, 25_000, rate=10.0)], share=0.2, seed=0, window=WINDOW)
    assert part == HeldOut(video="00", start=20_000, end=25_000, gap=round(10 * GAP_SECONDS))


def test_without_a_rate_the_gap_is_a_minute_of_25_frames_per_second() -> None:
    parts = hold_out([video(0, 25_000), video(1, 50_000)], share=0.2, seed=0, window=WINDOW)
    assert [(part.start, part.gap) for part in parts] == [(20_000, 1500), (40_000, 1500)]


def test_the_gap_of_a_short_video_is_half_of_what_is_kept() -> None:
    (part,) = hold_out([video(0, 100, rate=25.0)], share=0.2, seed=0, window=WINDOW)
    assert part == HeldOut(video="00", start=80, end=100, gap=10)


def test_a_video_too_short_to_be_cut_is_trained_on_whole() -> None:
    assert hold_out([video(0, 20)], share=0.2, seed=0, window=WINDOW) == ()
    parts = hold_out([video(0, 20), video(1, 100)], share=0.2, seed=0, window=WINDOW)
    assert [part.video for part in parts] == ["01"]


def test_what_is_held_out_never_reaches_a_batch(tmp_path: Path) -> None:
    """Against the bytes that come out of the stream, for each of several processes."""
    frames = [random_frames(40 + number, (8, 8), seed=number) for number in range(3)]
    manifest = make_set(tmp_path, {"training": frames}, window=WINDOW)
    videos = manifest.split("training")
    held_out = hold_out(videos, share=0.3, seed=0, window=WINDOW)
    assert [part.gap for part in held_out] == [6, 6, 6]
    storage, cpu = Storage(tmp_path), torch.device("cpu")
    stream = TrainingStream(storage, manifest, "training", window=WINDOW, device=cpu, held_out=held_out)
    free = {
        frame.tobytes()
        for part, clip in zip(held_out, frames, strict=True)
        for frame in clip[: part.start - part.gap]
    }
    found = set()
    for rank in range(2):
        plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=rank, world=2, batch=1)
        for batch in stream.stored_batches(plan):
            found |= {frame.tobytes() for window in batch.numpy() for frame in window}
    assert found <= free
    assert len(free - found) <= 1, "an epoch leaves out less than one joint batch"
