"""Figures of an evaluation: the same for any division of the work, within bounds where rows are many."""

import dataclasses
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mnad import FrameScores, normality
from pipeline.runs.evaluation import Figures, Metrics, Online
from pipeline.scoring.figures import compute_figures
from pipeline.scoring.parts import Timing
from pipeline.scoring.table import StreamedScores, read_scores
from pipeline.scoring.tablewriter import write_part
from pipeline.scoring.videoscores import VideoScores
from shards.storage import Storage
from tests.helpers.evaluations import WORK

ALPHA = WORK.alpha
ROUNDING = 1e-12
TIMING = Timing(frames=1, seconds=1.0)


def video(
    name: str,
    psnr: np.ndarray,
    distance: np.ndarray,
    labels: np.ndarray | None,
    local_error: np.ndarray | None = None,
    seconds: np.ndarray | None = None,
) -> VideoScores:
    count = len(psnr)
    return VideoScores(
        name=name,
        frames=np.arange(4, 4 + count),
        scores=FrameScores(
            psnr=psnr,
            feature_distance=distance,
            point_score=np.zeros(count),
            memory_updated=np.zeros(count, bool),
        ),
        anomaly=1 - normality(psnr, distance, ALPHA),
        labels=labels,
        seconds=seconds,
        local_error=local_error,
    )


@st.composite
def videos(draw: st.DrawFn) -> list[VideoScores]:
    """A few, some without labels, times or local errors; PSNR of all sizes, equal ones, infinite ones."""
    decibels = st.sampled_from([20.0, 30.0, 30.000001, np.inf]) | st.floats(-10, 100)
    distances = st.sampled_from([0.0, 0.001]) | st.floats(0, 1000)
    found = []
    for number in range(draw(st.integers(1, 4))):
        count = draw(st.integers(1, 12))

        def column(values: st.SearchStrategy[float], count: int = count) -> np.ndarray:
            return np.array(draw(st.lists(values, min_size=count, max_size=count)))

        labels = column(st.booleans()).astype(bool)
        found.append(
            video(
                f"v{number}",
                column(decibels),
                column(distances),
                None if draw(st.integers(0, 5)) == 0 else labels,
                None if draw(st.integers(0, 5)) == 0 else column(st.floats(-90, 0)),
                None if draw(st.integers(0, 5)) == 0 else np.arange(4, 4 + count) / 25,
            )
        )
    return found


def check(found: Metrics | Online, exact: Metrics | Online, bounds: Metrics | Online) -> None:
    for name, value in vars(exact).items():
        binned, bound = getattr(found, name), getattr(bounds, name)
        assert (binned is None) == (bound is None) == (value is None)
        assert value is None or abs(binned - value) <= bound + ROUNDING


@settings(deadline=None)
@given(videos(), st.sampled_from([0.0, 1.5]))
def test_figures_of_histograms_are_within_their_bounds(videos: list[VideoScores], smoothing: float) -> None:
    exact = compute_figures(videos, ALPHA, smoothing)
    found = compute_figures(videos, ALPHA, smoothing, binned=True)
    assert exact.bounds is None
    assert (found.videos, found.frames, found.base_rate) == (exact.videos, exact.frames, exact.base_rate)
    if exact.metrics is None:
        assert found == exact
        return
    assert found.bounds is not None
    for score, metrics in exact.metrics.items():
        check((found.metrics or {})[score], metrics, found.bounds.metrics[score])
        assert found.bounds.metrics[score].auc_macro in (None, 0)
    if exact.online is not None:
        assert found.online is not None
        assert found.bounds.online is not None
        check(found.online, exact.online, found.bounds.online)
    if smoothing:
        assert found.bounds.smoothed is not None
        expected, smoothed = (
            Metrics(**{name: value for name, value in (each.smoothed or {}).items() if name != "sigma"})
            for each in (exact, found)
        )
        check(smoothed, expected, found.bounds.smoothed)


def simulated(number: int, count: int) -> VideoScores:
    rng = np.random.default_rng(number)
    labels = rng.random(count) < 0.3
    psnr = rng.normal(35, 2, count) - 2 * labels
    return video(f"v{number}", psnr, rng.random(count), labels, -psnr, np.arange(4, 4 + count) / 25)


def written(out: Storage, videos: list[VideoScores], processes: int) -> StreamedScores:
    work = dataclasses.replace(WORK, processes=processes)
    for rank in range(processes):
        write_part(out, rank, videos[rank::processes], work, TIMING)
    found = read_scores(out, work.to_json(), [video.name for video in videos], most_rows=0)
    assert isinstance(found, StreamedScores)
    return found


def figures(videos: StreamedScores) -> Figures:
    return compute_figures(videos, ALPHA, 0.0, order=videos.order, binned=True)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(1, 4))
def test_figures_do_not_depend_on_who_scored_what(tmp_path: Path, counts: list[int], processes: int) -> None:
    videos = [simulated(number, count) for number, count in enumerate(counts)]
    one = figures(written(Storage(tmp_path / "one"), videos, 1))
    assert figures(written(Storage(tmp_path / "more"), videos, processes)) == one
    assert one == compute_figures(videos, ALPHA, 0.0, binned=True)


def test_up_to_so_many_rows_are_held_and_more_are_read_again(tmp_path: Path) -> None:
    videos = [simulated(0, 70_000), simulated(1, 5)]
    streamed = written(Storage(tmp_path), videos, 2)
    held = read_scores(Storage(tmp_path), streamed.provenance, streamed.order, most_rows=70_005)
    assert isinstance(held, list)
    for _ in range(2):
        for read, one, expected in zip(streamed, held, videos, strict=True):
            assert read.name == one.name == expected.name
            assert np.array_equal(read.anomaly, expected.anomaly)
            assert np.array_equal(one.anomaly, expected.anomaly)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    rows, count = 2_000_000, 20
    out, work = Storage(tmp_path), dataclasses.replace(WORK, processes=count)
    for rank in range(count):
        untimed = dataclasses.replace(simulated(rank, rows // count), seconds=None)
        write_part(out, rank, [untimed], work, TIMING)
    streamed = read_scores(out, work.to_json(), [f"v{number}" for number in range(count)], most_rows=0)
    tracemalloc.start()
    most_of_arrow, before = 0, pa.total_allocated_bytes()  # by tests before this one, in the same process
    for _ in streamed:
        most_of_arrow = max(most_of_arrow, pa.total_allocated_bytes() - before)
    found = compute_figures(streamed, ALPHA, 0.0, binned=True)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.frames.scored == rows
    assert most + most_of_arrow < 58 * rows  # those of the rows alone; it takes 70 MB, whatever their number
