"""Figures of merit against their definitions, and their edge cases."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnad import FrameScores
from pipeline.evaluate.metrics import (
    average_precision,
    compute_curves,
    compute_metrics,
    equal_error_rate,
    micro_auc,
    smooth,
)
from pipeline.evaluate.scores import VideoScores


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


scored = st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


@given(scored)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[int, bool]]) -> None:
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    abnormal, normal = scores[labels][:, None], scores[~labels]
    assert micro_auc(scores, labels) == pytest.approx(
        (abnormal > normal).mean() + (abnormal == normal).mean() / 2
    )


@given(scored)
def test_equal_error_rate_is_symmetric_and_bounded(rows: list[tuple[int, bool]]) -> None:
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    rate = equal_error_rate(scores, labels)
    assert rate is not None
    assert 0 <= rate <= 1
    assert rate == pytest.approx(equal_error_rate(-scores, ~labels))


def test_equal_error_rate_where_it_can_be_counted() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)
    assert equal_error_rate(np.array([1, 2, 3, 4, 5, 6, 7, 8.0]), labels) == 0
    assert equal_error_rate(np.array([1, 2, 3, 5, 4, 6, 7, 8.0]), labels) == 0.25
    assert equal_error_rate(np.array([5, 6, 7, 8, 1, 2, 3, 4.0]), labels) == 1


def test_constant_scores_tell_nothing() -> None:
    labels = np.array([0, 1, 1, 0], bool)
    scores = np.zeros(4)
    assert micro_auc(scores, labels) == 0.5
    assert equal_error_rate(scores, labels) == 0.5
    assert average_precision(scores, labels) == 0.5  # the base rate


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


def test_curves_end_at_the_corners_and_give_the_threshold_of_equal_errors() -> None:
    scored = dataclasses.replace(
        video([0] * 8, [0] * 8, [0, 0, 0, 0, 1, 1, 1, 1]), anomaly=np.array([1, 2, 3, 5, 4, 6, 7, 8.0])
    )
    curves = compute_curves([scored])
    assert curves is not None
    assert (curves.false_alarms[0], curves.hits[0]) == (0, 0)
    assert (curves.false_alarms[-1], curves.hits[-1]) == (1, 1)
    flagged = scored.anomaly >= curves.equal_error_threshold
    assert scored.labels is not None
    assert (flagged & ~scored.labels).sum() == (~flagged & scored.labels).sum() == 1
    assert compute_curves([video([1, 2], [0, 0], [1, 1])]) is None
    assert compute_curves([video([1, 2], [0, 0], None)]) is None


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
