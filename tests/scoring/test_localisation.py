"""Localisation against cases that can be counted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from pipeline.scoring.localisation import (
    MaskedVideo,
    area,
    fit_masks,
    localisation,
    match,
    pixel_auc,
    regions,
    tracks,
)


def box(top: int, left: int, side: int = 4, size: tuple[int, int] = (16, 16)) -> np.ndarray:
    mask = np.zeros(size, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def levels(mask: np.ndarray, level: int) -> np.ndarray:
    return np.where(mask, level, 0).astype(np.uint8)


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), min_size=2, max_size=60))
def test_pixel_auc_is_that_of_all_pixels(pixels: list[tuple[int, bool]]) -> None:
    maps = np.array([level for level, _ in pixels], np.uint8).reshape(1, 1, -1)
    masks = np.array([abnormal for _, abnormal in pixels]).reshape(1, 1, -1)
    found = pixel_auc([MaskedVideo(maps=maps, masks=masks)])
    if masks.all() or not masks.any():
        assert found is None
    else:
        assert found == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()))


def test_regions_touch_at_corners() -> None:
    assert len(regions(np.eye(4, dtype=bool))) == 1
    assert len(regions(box(0, 0, 2) | box(10, 10, 2))) == 2
    assert regions(np.zeros((4, 4), bool)) == []


def test_a_track_goes_on_while_its_regions_share_pixels() -> None:
    frames = [[box(0, 0), box(8, 8)], [box(2, 2)], [], [box(2, 2)], [box(2, 2), box(8, 8)]]
    numbers = tracks(frames)
    assert numbers[0][0] == numbers[1][0]  # moved, but still touching
    assert numbers[0][0] != numbers[0][1]
    assert numbers[3][0] not in numbers[1]  # a frame in between was empty
    assert numbers[4][0] == numbers[3][0]
    assert len({n for row in numbers for n in row}) == 4


def test_regions_that_merge_make_one_track() -> None:
    assert tracks([[box(0, 0), box(0, 8)], [box(0, 0, 12)]]) == [[0, 0], [0]]


def test_a_perfect_detector_scores_one_and_a_blind_one_nothing() -> None:
    masks = np.stack([box(2, 2), box(3, 3), np.zeros((16, 16), bool)])
    perfect = localisation([MaskedVideo(maps=np.stack([levels(m, 200) for m in masks]), masks=masks)])
    assert (perfect.pixel_auc, perfect.region_auc, perfect.track_auc) == (1.0, 1.0, 1.0)
    assert (perfect.regions, perfect.tracks) == (2, 1)
    blind = localisation([MaskedVideo(maps=np.zeros(masks.shape, np.uint8), masks=masks)])
    assert (blind.pixel_auc, blind.region_auc, blind.track_auc) == (0.5, 0.0, 0.0)


def test_false_regions_cost_what_they_precede() -> None:
    # In each of two frames a false region is stronger than the true one: found only at one false per frame.
    masks = np.stack([box(0, 0), box(0, 0)])
    maps = np.stack([levels(box(8, 8), 200) + levels(box(0, 0), level) for level in (100, 250)])
    found = localisation([MaskedVideo(maps=maps, masks=masks)])
    # Thresholds 250 and 200: one of two regions at 0 false, then both strong false ones at 1 false per frame.
    assert found.region_auc == 0.5
    assert found.track_auc == 1.0  # one region of ten or fewer is enough for its track


def test_an_overlap_below_a_tenth_is_no_match() -> None:
    masks = box(0, 0, 8)[None]
    maps = levels(box(6, 6, 4), 200)[None]  # shares 4 of 76 pixels
    found = localisation([MaskedVideo(maps=maps, masks=masks)])
    assert found.region_auc == 0.0


def test_a_threshold_counts_that_lies_beyond_one_with_many_false_regions() -> None:
    # In every second frame the object has three bright specks, each too small to match it: at their level 1.5
    # false regions per frame and nothing found, at that of the object all of it and nothing false.
    masks = np.stack([box(2, 2, 12)] * 4)
    maps = np.stack([levels(mask, 100) for mask in masks])
    for row, column in ((4, 4), (8, 8), (12, 4)):
        maps[::2, row, column] = 200
    found = localisation([MaskedVideo(maps=maps, masks=masks)])
    assert (found.pixel_auc, found.region_auc, found.track_auc) == (1.0, 1.0, 1.0)


masks_of_noise = st.builds(
    lambda seed, share: np.random.default_rng(seed).random((12, 12)) < share,
    st.integers(0, 999),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0]),
)


@given(masks_of_noise, masks_of_noise)
def test_regions_match_as_each_pair_does(detected: np.ndarray, real: np.ndarray) -> None:
    table = [
        [(one & other).sum() / (one | other).sum() >= 0.1 for other in regions(real)]
        for one in regions(detected)
    ]
    matched, wrong = match(detected, real)
    assert matched.tolist() == [any(row[k] for row in table) for k in range(len(regions(real)))]
    assert wrong == sum(not any(row) for row in table)


def test_area_counts_the_best_rate_reached_so_far() -> None:
    assert area([(0.0, 0.0), (0.25, 0.5), (0.5, 0.4), (2.0, 1.0)]) == pytest.approx(0.75 * 0.5)
    assert area([(0.0, 1.0)]) == 1.0


def test_masks_shrink_by_area() -> None:
    mask = np.zeros((1, 8, 8), bool)
    mask[0, :4, :4] = True
    mask[0, 0, 7] = True
    assert fit_masks(mask, 4, 4).sum() == 4  # the lone pixel is a quarter of its area


def test_without_abnormal_pixels_nothing_is_defined() -> None:
    video = MaskedVideo(maps=np.zeros((2, 8, 8), np.uint8), masks=np.zeros((2, 8, 8), bool))
    found = localisation([video])
    assert (found.pixel_auc, found.region_auc, found.track_auc) == (None, None, None)
