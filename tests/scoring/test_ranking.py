"""Figures of a ranking against their definitions, and against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from pipeline.scoring.ranking import Ranking

CLOSE = 1e-12
Rows = list[tuple[float, bool]]
values = st.integers(0, 5) | st.floats(-50, 50)
scored = st.lists(st.tuples(values, st.booleans()), min_size=2, max_size=60).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


def columns(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
    return np.array([score for score, _ in rows], float), np.array([label for _, label in rows])


def ranking(scores: np.ndarray, labels: np.ndarray) -> Ranking:
    found = Ranking.of(scores, labels)
    assert found is not None
    return found


def sklearn_equal_error_rate(scores: np.ndarray, labels: np.ndarray) -> float:
    false_alarms, hits, _ = roc_curve(labels, scores)
    return float(np.interp(0.0, false_alarms + hits - 1, false_alarms))


def check_against_sklearn(scores: np.ndarray, labels: np.ndarray) -> None:
    found = ranking(scores, labels)
    assert abs(found.auc - roc_auc_score(labels, scores)) < CLOSE
    assert abs(found.average_precision - average_precision_score(labels, scores)) < CLOSE
    assert abs(found.equal_error_rate - sklearn_equal_error_rate(scores, labels)) < CLOSE


@given(scored)
def test_figures_are_those_of_scikit_learn(rows: Rows) -> None:
    check_against_sklearn(*columns(rows))


@pytest.mark.parametrize("decimals", [1, 12])
def test_figures_of_many_frames_are_those_of_scikit_learn(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    labels = rng.random(30_000) < 0.2
    check_against_sklearn(np.round(rng.normal(size=len(labels)) + labels, decimals), labels)


@given(scored)
def test_auc_is_the_share_of_pairs_in_the_right_order(rows: Rows) -> None:
    scores, labels = columns(rows)
    abnormal, normal = scores[labels][:, None], scores[~labels]
    expected = (abnormal > normal).mean() + (abnormal == normal).mean() / 2
    assert ranking(scores, labels).auc == pytest.approx(expected)


@given(scored)
def test_equal_error_rate_is_symmetric_and_bounded(rows: Rows) -> None:
    scores, labels = columns(rows)
    rate = ranking(scores, labels).equal_error_rate
    assert 0 <= rate <= 1
    assert rate == pytest.approx(ranking(-scores, ~labels).equal_error_rate)


def test_equal_error_rate_where_it_can_be_counted() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1], bool)
    assert ranking(np.array([1, 2, 3, 4, 5, 6, 7, 8.0]), labels).equal_error_rate == 0
    assert ranking(np.array([1, 2, 3, 5, 4, 6, 7, 8.0]), labels).equal_error_rate == 0.25
    assert ranking(np.array([5, 6, 7, 8, 1, 2, 3, 4.0]), labels).equal_error_rate == 1


def test_constant_scores_tell_nothing() -> None:
    labels = np.array([0, 1, 1, 0], bool)
    found = ranking(np.zeros(4), labels)
    assert (found.auc, found.equal_error_rate) == (0.5, 0.5)
    assert found.average_precision == 0.5  # the base rate


@pytest.mark.parametrize("label", [False, True])
def test_one_class_alone_has_no_ranking(label: bool) -> None:
    assert Ranking.of(np.arange(3.0), np.full(3, label)) is None
