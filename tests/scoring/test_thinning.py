"""Thinned curves: few points, and the same picture."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from pipeline.scoring.thinning import thin

FRAMES = 2_000_000
COLUMNS = 500


def drawn(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pixels (1100, 1100) that a curve in the unit square passes."""
    points = np.stack([50 + 1000 * x, 1050 - 1000 * y], axis=1).round().astype(np.int32)
    return cv2.polylines(np.zeros((1100, 1100), np.uint8), [points], False, 1)


@pytest.fixture(scope="module")
def judged() -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores: a good detector's, so that its ROC curve is nearly all in the first columns."""
    random = np.random.default_rng(0)
    labels = random.random(FRAMES) < 0.2
    return labels, random.normal(size=FRAMES) + 3 * labels


@pytest.mark.parametrize("kind", ["roc", "precision and recall", "timeline"])
def test_curves_of_two_million_frames_look_the_same(judged: tuple[np.ndarray, np.ndarray], kind: str) -> None:
    labels, scores = judged
    if kind == "roc":
        x, y, _ = roc_curve(labels, scores)
    elif kind == "precision and recall":
        y, x, _ = precision_recall_curve(labels, scores)
    else:
        x, y = np.arange(FRAMES) / FRAMES, scores / 10 + 0.4
        y[700_000] = 1.0  # a single frame's peak
    rows = thin(x, y, COLUMNS)
    assert len(rows) <= 4 * COLUMNS
    whole, thinned = drawn(x, y), drawn(x[rows], y[rows])
    near = np.ones((5, 5), np.uint8)  # a column is two pixels wide here
    assert not (whole & (cv2.dilate(thinned, near) == 0)).any()
    assert not (thinned & (cv2.dilate(whole, near) == 0)).any()


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=1, max_size=80), st.booleans())
def test_the_ends_and_extremes_of_every_column_stay(points: list[tuple[int, int]], falling: bool) -> None:
    x = np.array(sorted((x for x, _ in points), reverse=falling), float)
    y = np.array([y for _, y in points], float)
    columns = 5
    rows = thin(x, y, columns)
    assert len(rows) <= 4 * columns or len(rows) == len(x) <= 4 * columns
    assert rows[0] == 0
    assert rows[-1] == len(x) - 1
    assert np.all(np.diff(rows) > 0)
    width = (x.max() - x.min()) / columns
    for px, py in zip(x, y, strict=True):
        beside = np.abs(x[rows] - px) <= width * (1 + 1e-9)
        assert y[rows][beside].min() <= py <= y[rows][beside].max()


def test_few_points_all_stay() -> None:
    assert thin(np.arange(20), np.zeros(20), 5).tolist() == list(range(20))
