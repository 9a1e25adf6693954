"""Moments: the scores of `evaluate`, however frames are pushed; windows never reach over what is missing."""

import dataclasses
import gc
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mnad import MNAD
from mnad.local_error import SCALES, box_size
from mnad.scoring import error_map
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.scoring.choices import MemoryMode
from pipeline.scoring.moments import Gaze, Moment, MomentStream, moments
from pipeline.scoring.scorer import Scorer
from pipeline.video.timed import TimedFrame, timed_frames
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.shards import smooth_frames
from tests.helpers.videos import scene, write_video

SIZE = (16, 24)
WINDOW = 5
GAZE = Gaze.through(torch.ones(SIZE, dtype=torch.bool))
NUMBERS = ("psnr", "feature_distance", "point_score", "local_error")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> MNAD:
    return make_checkpoint(tmp_path_factory.mktemp("model") / "model.safetensors", size=SIZE).model()


def scorer(model: MNAD, memory: MemoryMode = "frozen") -> Scorer:
    return Scorer(model=model, memory=memory, threshold=0.1, bf16=False)


def timed(
    pictures: Sequence[np.ndarray], seconds: Sequence[float], corrupt: Sequence[bool] | None = None
) -> list[TimedFrame]:
    marks = [False] * len(pictures) if corrupt is None else corrupt
    return [
        TimedFrame(number=number, seconds=time, picture=picture, is_corrupt=mark)
        for number, (picture, time, mark) in enumerate(zip(pictures, seconds, marks, strict=True))
    ]


def told(frames: Sequence[TimedFrame], scorer: Scorer, batch: int = 4) -> list[Moment]:
    return list(moments(frames, scorer, GAZE, window=WINDOW, size=SIZE, batch=batch))


def assert_same(found: Sequence[Moment], expected: Sequence[Moment]) -> None:
    for name in ("frame", "seconds", "memory_updated", "gap"):
        assert [getattr(one, name) for one in found] == [getattr(one, name) for one in expected], name
    for name in (*NUMBERS, "local"):
        one, other = (np.array([getattr(each, name) for each in some]) for some in (found, expected))
        np.testing.assert_allclose(one, other, atol=1e-3, err_msg=name)


@settings(max_examples=15, deadline=None)
@given(
    steps=st.lists(st.sampled_from([0.04, 0.04, 0.04, 0.5, 1.0, 1.01, 7.0]), min_size=24, max_size=24),
    corrupt=st.sets(st.integers(0, 23), max_size=3),
    batch=st.integers(1, 9),
    memory=st.sampled_from(["frozen", "video"]),
)
def test_any_batch_gives_the_moments_of_one_window_at_a_time(
    model: MNAD, steps: list[float], corrupt: set[int], batch: int, memory: MemoryMode
) -> None:
    pictures = smooth_frames(24, SIZE)
    pictures[8:12] //= 3
    frames = timed(list(pictures), np.cumsum(steps).tolist(), [number in corrupt for number in range(24)])
    stream = MomentStream(scorer(model, memory), GAZE, window=WINDOW, size=SIZE)
    one_by_one = []
    since = 0
    for frame in frames:
        now = stream.push(frame)
        breaks = frame.is_corrupt or (frame.number and frame.seconds - frames[frame.number - 1].seconds > 1)
        since = (0 if breaks else since) + (not frame.is_corrupt)
        assert [each.frame for each in now] == ([frame.number] if since >= WINDOW else [])
        one_by_one += now
    assert stream.finish() == []
    assert_same(told(frames, scorer(model, memory), batch), one_by_one)


def test_a_break_is_told_to_the_next_moment_even_when_it_comes_late(model: MNAD) -> None:
    pictures = smooth_frames(30, SIZE)
    marks = [number in (7, 10, 20) for number in range(30)]
    found = told(timed(list(pictures), [n / 25 for n in range(30)], marks), scorer(model))
    assert [each.frame for each in found] == [4, 5, 6, *range(15, 20), *range(25, 30)]
    assert [each.frame for each in found if each.gap] == [15, 25]


def test_windows_after_a_break_are_those_of_a_video_that_begins_there(model: MNAD) -> None:
    frames = timed(list(smooth_frames(20, SIZE)), [0.04 * n + 5 * (n >= 9) for n in range(20)])
    whole = told(frames, scorer(model))
    parts = told(frames[:9], scorer(model)) + told(frames[9:], scorer(model))
    assert [each.frame for each in whole if each.gap] == [13]
    assert_same([dataclasses.replace(each, gap=False) for each in whole], parts)


@pytest.mark.parametrize("method", ["pred", "recon"])
def test_a_video_file_has_the_scores_that_evaluate_gives_it(tmp_path: Path, method: str) -> None:
    write_video(tmp_path / "set/testing/videos/01.mp4", scene(20, size=(48, 64)))
    write_video(tmp_path / "set/training/videos/01.mp4", scene(12, size=(48, 64), seed=1))
    window = 5 if method == "pred" else 1
    preprocess(PreprocessConfig(source=str(tmp_path / "set"), shards=str(tmp_path / "shards"), size=SIZE))
    make_checkpoint(tmp_path / "model.safetensors", size=SIZE, method=method, window=window)
    evaluate(
        EvaluateConfig(
            shards=str(tmp_path / "shards"),
            checkpoint=str(tmp_path / "model.safetensors"),
            out=str(tmp_path / "out"),
            memory="video",
            threshold=0.1,
            report=False,
        )
    )
    table = pq.read_table(tmp_path / "out/scores").to_pydict()
    frames = timed_frames(tmp_path / "set/testing/videos/01.mp4", "01.mp4")
    model = load_checkpoint(str(tmp_path / "model.safetensors")).model()
    found = list(moments(frames, scorer(model, "video"), GAZE, window=window, size=SIZE, batch=3))
    assert [each.frame for each in found] == table["frame"] == list(range(window - 1, 20))
    assert [each.seconds for each in found] == pytest.approx([each.frame / 25 for each in found], abs=1e-3)
    for name in ("psnr", "feature_distance", "point_score"):
        scores = [getattr(each, name) for each in found]
        np.testing.assert_allclose(scores, table[name], atol=1e-3, err_msg=name)
    assert [each.memory_updated for each in found] == table["memory_updated"]
    assert found[0].picture.shape == (48, 64, 3)


def test_a_moment_says_where(model: MNAD) -> None:
    pictures = np.full((5, *SIZE, 3), 90, np.uint8)
    pictures[4, 4:8, 12:20] = 255
    (found,) = told(timed(list(pictures), [n / 25 for n in range(5)]), scorer(model))
    boxes = sorted({box_size(*SIZE, scale) for scale in SCALES})
    assert found.local.shape == (len(boxes),)
    np.testing.assert_array_equal(found.error_map(), error_map(found.error).numpy())
    assert found.error_map().shape == SIZE
    assert found.local_error == pytest.approx(float(GAZE.table(found.error[None])[0, 0]), abs=1e-5)
    assert found.place() == GAZE.table.place(found.error, 0)
    assert found.place(1) == GAZE.boxes.place(found.error, 1)


def test_only_frames_of_a_batch_are_held(model: MNAD) -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def camera() -> Iterator[TimedFrame]:
        for number in range(60):
            picture = smooth_frames(1, SIZE, seed=number)[0].copy()
            alive.append(weakref.ref(picture))
            yield TimedFrame(number=number, seconds=number / 25, picture=picture, is_corrupt=False)

    gc.disable()
    try:
        count = 0
        for moment in moments(camera(), scorer(model), GAZE, window=WINDOW, size=SIZE, batch=4):
            count += moment.psnr > 0
            most = max(most, sum(ref() is not None for ref in alive))
    finally:
        gc.enable()
    assert count == 56
    assert most <= 4 + 4 + 1  # a batch, the one that fills up, and the frame in hand
