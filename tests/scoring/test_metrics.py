"""Figures of merit against their definitions, and their edge cases."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnad import FrameScores
from pipeline.runs.evaluation import Online
from pipeline.scoring.curves import compute_curves
from pipeline.scoring.histogram import Histogram
from pipeline.scoring.metrics import (
    Extents,
    OnlineTally,
    compute_metrics,
    micro_auc,
    smooth,
)
from pipeline.scoring.ranking import AllScores, Ranking, Tally
from pipeline.scoring.videoscores import VideoScores


def video(psnr: list[float], distance: list[float], labels: list[int] | None) -> VideoScores:
    count = len(psnr)
    return VideoScores(
        name="v",
        frames=np.arange(count),
        scores=FrameScores(
            psnr=np.array(psnr),
            feature_distance=np.array(distance),
            point_score=np.zeros(count),
            memory_updated=np.zeros(count, bool),
        ),
        anomaly=np.zeros(count),
        labels=None if labels is None else np.array(labels, bool),
    )


def compute_online(videos: Sequence[VideoScores]) -> Online | None:
    tally = OnlineTally(Extents(videos), AllScores)
    tally.add(videos)
    found = tally.online()
    return None if found is None else found[0]


def test_online_figures_know_nothing_of_the_rest_of_the_video() -> None:
    """Of two videos, one is darker throughout: min-max per video hides it, online figures do not."""
    bright = dataclasses.replace(
        video([40.0, 30.0], [0.0, 0.0], [0, 1]), local_error=np.array([-40.0, -20.0]), seconds=np.arange(2.0)
    )
    dark = dataclasses.replace(
        video([29.0, 20.0], [0.0, 0.0], [0, 1]), local_error=np.array([-39.0, -21.0]), seconds=np.arange(2.0)
    )
    found = compute_online([bright, dark])
    assert found is not None
    assert compute_metrics([bright, dark], 1.0).auc == 1.0
    assert found.psnr == 0.75  # 30 dB, abnormal here, is more normal than 29 dB there
    assert found.local_error == 1.0
    weight = 1 - np.exp(-1 / 0.3)  # of a frame that comes a second after another
    means = [-40.0, -40 + weight * 20, -39.0, -39 + weight * 18]
    expected = micro_auc(np.array(means), np.array([False, True, False, True]))
    assert found.local_error_smoothed == expected == 1.0
    assert found.psnr_smoothed == 0.75


def test_without_times_nothing_is_smoothed_and_without_local_errors_there_are_no_online_figures() -> None:
    known = dataclasses.replace(video([40.0, 30.0], [0.0, 0.0], [0, 1]), local_error=np.array([-4.0, -2.0]))
    found = compute_online([known])
    assert found == Online(psnr=1.0, local_error=1.0, psnr_smoothed=None, local_error_smoothed=None)
    assert compute_online([known, video([40.0, 30.0], [0.0, 0.0], [0, 1])]) is None


def test_a_frame_without_any_error_does_not_stay_in_the_mean_for_ever() -> None:
    scores = dataclasses.replace(
        video([np.inf, 30.0, 20.0], [0.0] * 3, [0, 0, 1]),
        local_error=np.zeros(3),
        seconds=np.array([0.0, 0.9, 1.8]),
    )
    found = compute_online([scores])
    assert found is not None
    assert found.psnr_smoothed == 1.0


@pytest.mark.parametrize("label", [0, 1])
def test_with_one_class_nothing_is_defined(label: int) -> None:
    metrics = compute_metrics([video([1, 2, 3], [1, 2, 3], [label] * 3)], 0.6)
    assert set(vars(metrics).values()) == {None}


def test_normalisations_differ_as_defined() -> None:
    # Within each video the abnormal frame has the lower PSNR; the second video's are all lower.
    videos = [video([30, 40], [0, 0], [1, 0]), video([10, 20], [0, 0], [1, 0])]
    metrics = compute_metrics(videos, 1.0)
    assert (metrics.auc, metrics.auc_macro) == (1.0, 1.0)
    assert (metrics.auc_global, metrics.auc_raw) == (0.75, 0.75)


def test_raw_score_is_not_touched_by_ranges() -> None:
    # PSNR says the opposite of the distance; after min-max the two cancel, raw the PSNR's decibels win.
    metrics = compute_metrics([video([10, 20, 30], [0.0, 0.001, 0.002], [1, 0, 0])], 0.5)
    assert metrics.auc == 0.5
    assert metrics.auc_raw == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_raw_the_distance_to_items_does_not_count_beside_the_psnr(seed: int) -> None:
    rng = np.random.default_rng(seed)
    psnr = rng.permutation(2000) / 2000 * 15 + 20  # neighbours 0.0075 dB apart
    distance = rng.uniform(0, 4 / 512, 2000)  # as far as unit vectors of 512 features can be apart
    one = [video(list(psnr), list(distance), list(rng.integers(0, 2, 2000)))]
    assert compute_metrics(one, 0.6).auc_raw == compute_metrics(one, 1.0).auc_raw
    assert compute_metrics(one, 0.6).auc != compute_metrics(one, 1.0).auc


def test_alpha_one_and_zero_are_the_parts_alone() -> None:
    videos = [video([1, 2, 3, 4], [1, 2, 3, 4], [1, 1, 0, 0])]
    assert compute_metrics(videos, 1.0).auc == 1.0
    assert compute_metrics(videos, 0.0).auc == 0.0


def test_macro_leaves_out_videos_of_one_class() -> None:
    videos = [video([1, 2], [0, 0], [1, 0]), video([2, 1], [0, 0], [1, 1])]
    assert compute_metrics(videos, 1.0).auc_macro == 1.0


def test_a_perfect_frame_counts_as_the_best_finite_one() -> None:
    videos = [video([float("inf"), 20, 30, 10], [0, 0, 0, 0], [0, 0, 0, 1])]
    for alpha in (0.0, 0.6, 1.0):
        metrics = compute_metrics(videos, alpha)
        assert metrics.auc == metrics.auc_raw == (1.0 if alpha else 0.5)


@pytest.mark.parametrize("kind", [AllScores, Histogram])
def test_curves_end_at_the_corners_and_give_the_threshold_of_equal_errors(kind: type[Tally]) -> None:
    anomaly, labels = np.array([1, 2, 3, 5, 4, 6, 7, 8.0]) / 8, np.arange(8) >= 4
    tally = kind(0.0, 1.0)
    tally.add(anomaly, labels)
    curves = compute_curves(tally.ranking())
    assert curves is not None
    assert (curves.false_alarms[0], curves.hits[0]) == (0, 0)
    assert (curves.false_alarms[-1], curves.hits[-1]) == (1, 1)
    assert (curves.recall[0], curves.recall[-1]) == (1, 0)
    assert (curves.precision[0], curves.precision[-1]) == (0.5, 1)
    flagged = anomaly >= curves.equal_error_threshold
    assert (flagged & ~labels).sum() == (~flagged & labels).sum() == 1
    assert compute_curves(Ranking.of(anomaly, labels | True)) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0.1, 5))
def test_smoothing_keeps_length_and_range(scores: list[float], sigma: float) -> None:
    values = np.array(scores)
    smoothed = smooth(values, sigma)
    assert smoothed.shape == values.shape
    assert smoothed.min() >= values.min() - 1e-9
    assert smoothed.max() <= values.max() + 1e-9


def test_smoothing_weighs_neighbours_by_a_gaussian() -> None:
    impulse = np.zeros(41)
    impulse[20] = 1
    smoothed = smooth(impulse, 2.0)
    assert smoothed[20] == pytest.approx(1 / (2 * np.sqrt(2 * np.pi)), rel=1e-3)
    assert smoothed[22] / smoothed[20] == pytest.approx(np.exp(-0.5))
    assert smooth(impulse, 0) is impulse


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=2, max_size=40))
def test_no_threshold_has_errors_that_are_more_nearly_equal(rows: list[tuple[float, bool]]) -> None:
    anomaly, labels = np.array([score for score, _ in rows]), np.array([label for _, label in rows])
    curves = compute_curves(Ranking.of(anomaly, labels))
    if curves is None:
        return

    def apart(threshold: float) -> float:
        flagged = anomaly >= threshold
        return abs(float(flagged[~labels].mean() - (~flagged)[labels].mean()))

    assert apart(curves.equal_error_threshold) <= min(map(apart, anomaly.tolist())) + 1e-12
