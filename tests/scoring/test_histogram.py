"""Figures of histograms: within their margins of those of all scores, whatever the scores are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.scoring.histogram import BINS, BinnedRanking, Histogram
from pipeline.scoring.ranking import Ranking

ROUNDING = 1e-12
FIGURES = ("auc", "average_precision", "equal_error_rate")
values = st.integers(0, 5) | st.floats(-50, 50) | st.floats(0, 3 / BINS) | st.floats(4.9999, 5)
rows = st.lists(st.tuples(values, st.booleans()), min_size=2, max_size=80).filter(
    lambda rows: len({label for _, label in rows}) == 2
)
"""Many equal, many that share a bin of 0 to 5, and some beyond."""


def both(scores: np.ndarray, labels: np.ndarray, low: float, high: float) -> tuple[BinnedRanking, Ranking]:
    histogram = Histogram(low, high)
    for part, truth in zip(np.array_split(scores, 3), np.array_split(labels, 3), strict=True):
        histogram.add(part, truth)
    binned, exact = histogram.ranking(), Ranking.of(scores, labels)
    assert binned is not None
    assert exact is not None
    return binned, exact


def check(binned: BinnedRanking, exact: Ranking) -> None:
    """Every figure is as near to the exact one as it says, and no margin is more than there is to know."""
    for name in FIGURES:
        margin = getattr(binned.margins, name)
        assert 0 <= margin <= 1
        assert abs(getattr(binned, name) - getattr(exact, name)) <= margin + ROUNDING


@given(rows, st.sampled_from([(0.0, 5.0), (-50.0, 50.0), (0.0, 1.0), (2.0, 2.0), (np.inf, -np.inf)]))
def test_figures_are_within_their_margins(
    rows: list[tuple[float, bool]], extent: tuple[float, float]
) -> None:
    scores, labels = (np.array(column) for column in zip(*rows, strict=True))
    check(*both(scores.astype(np.float64), labels, *extent))


@given(rows)
def test_where_no_two_different_scores_share_a_bin_figures_are_exact(rows: list[tuple[float, bool]]) -> None:
    labels = np.array([label for _, label in rows])
    scores = np.array([round(score) for score, _ in rows], np.float64)  # equal ones share a bin
    binned, exact = both(scores, labels, -50.0, 50.0)
    assert binned.margins == exact.margins
    for name in FIGURES:
        assert getattr(binned, name) == pytest.approx(getattr(exact, name), abs=ROUNDING)


@pytest.mark.parametrize("first", ["normal", "abnormal"])
def test_the_margin_of_the_auc_is_reached(first: str) -> None:
    """All frames share a bin, in one order or the other: nobody could know."""
    scores = np.array([0.1, 0.2, 0.3, 0.4]) / BINS
    labels = np.array([False, False, True, True])
    binned, exact = both(scores, labels if first == "normal" else ~labels, 0.0, 1.0)
    assert (binned.auc, binned.margins.auc) == (0.5, 0.5)
    assert exact.auc == (1.0 if first == "normal" else 0.0)


def test_scores_that_spread_evenly_have_small_margins() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(300_000) < 0.2
    scores = rng.normal(size=len(labels)) + labels
    binned, exact = both(scores, labels, float(scores.min()), float(scores.max()))
    check(binned, exact)
    assert binned.margins.auc < 3e-5
    assert binned.margins.average_precision < 1e-3
    assert binned.margins.equal_error_rate < 1e-4


def test_frames_that_tie_do_not_widen_the_margins() -> None:
    """After min-max, the PSNR alone gives one frame of each video a score of 1: they share the last bin."""
    labels = np.arange(400_000) % 4 == 0
    scores = np.where(np.arange(len(labels)) % 8 < 4, 1.0, np.linspace(0, 0.9, len(labels)))
    binned, exact = both(scores, labels, 0.0, 1.0)
    check(binned, exact)
    assert max(vars(binned.margins).values()) < 2e-5


@pytest.mark.parametrize("label", [False, True])
def test_with_one_kind_of_frames_there_is_no_ranking(label: bool) -> None:
    histogram = Histogram(0.0, 1.0)
    assert histogram.ranking() is None
    histogram.add(np.array([0.1, 0.2]), np.array([label, label]))
    assert histogram.ranking() is None
