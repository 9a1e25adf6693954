"""The scorer: the same scores for any batches, each as soon as it is there, and nothing held."""

import contextlib
import dataclasses
import functools
import itertools
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnad import MNAD, FrameScores
from pipeline.scoring.choices import MemoryMode
from pipeline.scoring.exhibitwriter import ExhibitWriter
from pipeline.scoring.maps import MapWriter
from pipeline.scoring.scorer import ScoredBatch, Scorer, full_float32
from pipeline.scoring.sinks import Sink, feed
from pipeline.scoring.tablewriter import TableWriter
from shards.entries import Video
from shards.storage import Storage
from shards.windows import VideoBatch
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.evaluations import WORK
from tests.helpers.scored import batches
from tests.helpers.shards import smooth_frames

SIZE = (8, 16)
THRESHOLD = 0.1
"""In the middle of an untrained model's point scores, so that decisions mix."""
LENGTHS = (11, 14)

Joined = tuple[list[tuple[int, int]], FrameScores, dict[str, np.ndarray]]


def videos() -> list[np.ndarray]:
    made = [smooth_frames(length, SIZE, seed=seed) for seed, length in enumerate(LENGTHS)]
    for frames in made:
        frames[5 : 2 * len(frames) // 3] //= 3
        frames[len(frames) // 2] = 128
    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MNAD:
    return make_checkpoint(tmp_path_factory.mktemp("model") / "model.safetensors", size=SIZE).model()


def scorer(model: MNAD, memory: MemoryMode = "carry") -> Scorer:
    return Scorer(model=model, memory=memory, threshold=THRESHOLD, bf16=False)


def regrouped(parts: Iterable[VideoBatch], sizes: Iterator[int]) -> Iterator[VideoBatch]:
    """The windows of batches in batches of other sizes."""
    for part in parts:
        start = 0
        while start < len(part.frames):
            rows = slice(start, start + next(sizes))
            start = rows.stop
            yield dataclasses.replace(part, frames=part.frames[rows], windows=part.windows[rows])


def joined(scored: Iterable[ScoredBatch]) -> Joined:
    """Video and number of each frame, their scores, and what was seen of them."""
    parts = list(scored)
    assert all(part.seen.first == 0 for part in parts)
    frames = [(part.video, int(frame)) for part in parts for frame in part.frames]
    names = ("frame", "target", "error", "queries", "items")
    seen = {name: torch.cat([getattr(part.seen, name) for part in parts]).numpy() for name in names}
    return frames, FrameScores.join([part.scores for part in parts]), seen


@pytest.fixture(scope="module")
def one_by_one(model: MNAD) -> Callable[[MemoryMode], Joined]:
    """What comes of one window at a time."""
    return functools.cache(lambda memory: joined(scorer(model, memory).scored(batches(videos(), batch=1))))


@pytest.mark.parametrize("memory", get_args(MemoryMode))
@settings(max_examples=4, deadline=None)
@given(sizes=st.lists(st.integers(1, 10), min_size=1, max_size=6))
def test_scores_and_what_was_seen_are_the_same_for_any_batches(
    model: MNAD, one_by_one: Callable[[MemoryMode], Joined], memory: MemoryMode, sizes: list[int]
) -> None:
    frames, scores, seen = one_by_one(memory)
    parts = regrouped(batches(videos(), batch=10), itertools.cycle(sizes))
    found_frames, found, found_seen = joined(scorer(model, memory).scored(parts))
    assert found_frames == frames == [(v, f) for v, n in enumerate(LENGTHS) for f in range(4, n)]
    assert np.array_equal(found.memory_updated, scores.memory_updated)
    for name in ("psnr", "feature_distance", "point_score"):
        np.testing.assert_allclose(getattr(found, name), getattr(scores, name), atol=1e-3, err_msg=name)
    for name, values in seen.items():
        np.testing.assert_allclose(found_seen[name], values, atol=1e-4, err_msg=name)
    updates = scores.memory_updated.sum()
    assert updates == 0 if memory == "frozen" else 2 < updates < len(frames) - 2


def test_a_batch_is_scored_before_the_next_is_asked_for(model: MNAD) -> None:
    asked = 0

    def counted() -> Iterator[VideoBatch]:
        nonlocal asked
        for batch in batches(videos(), batch=3):
            asked += 1
            yield batch

    for number, scored in enumerate(scorer(model).scored(counted()), 1):
        assert asked == number
        assert len(scored.frames) <= 3


def test_neither_scorer_nor_sinks_hold_windows_of_batches_that_are_done(model: MNAD, tmp_path: Path) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def watch(_: int) -> None:
        nonlocal most
        most = max(most, sum(windows() is not None for windows in alive))

    out = Storage(tmp_path)
    video = Video(name="long", split="testing", frames=100, source={}, shards=())
    sinks: list[Sink] = [
        MapWriter(out, ["work"], ["testing-long"]),
        ExhibitWriter(
            out,
            0,
            WORK,
            [video],
            items=model.memory.items,
            stride=7,
            grid=(1, 2),
            draw=lambda _, __, rows: [b"picture"] * len(rows),
        ),
        TableWriter(out, 0, WORK, [video]),
    ]
    long = smooth_frames(100, SIZE)
    feed(sinks, scorer(model).scored(batches([long], batch=4, alive=alive)), watch)
    assert len(alive) == 24
    assert 1 <= most <= 2
    assert len(list(tmp_path.rglob("*.*"))) == 3


def test_rounding_is_off_while_any_thread_scores_and_as_it_was_behind_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        first.enter_context(full_float32())
        second.enter_context(full_float32())
        first.close()
        assert not torch.backends.cudnn.allow_tf32
        second.close()
        assert torch.backends.cudnn.allow_tf32
