"""The local error against loops over boxes, and what masks and zones do to it."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.ndimage import label
from torch import Tensor

from mnad.local_error import FLOOR, SCALES, LocalError, box_size, connected
from mnad.scoring import squared_error


def everywhere(height: int, width: int) -> Tensor:
    return torch.ones(height, width, dtype=torch.bool)


def naive_levels(error: np.ndarray, keep: np.ndarray, gain: np.ndarray, k: int) -> np.ndarray:
    """Box by box, in float64; -inf where not looked at."""
    height, width = keep.shape
    mean = error.astype(np.float64).mean(axis=0)
    levels = np.full((height, width), -np.inf)
    for row in range(height):
        for column in range(width):
            box = (
                slice(max(0, row - k // 2), row + k // 2 + 1),
                slice(max(0, column - k // 2), column + k // 2 + 1),
            )
            if keep[box].sum() >= k * k / 2:
                kept = mean[box][keep[box]].mean()
                levels[row, column] = 10 * math.log10(kept + FLOOR) + gain[row, column]
    return levels


@given(
    height=st.integers(3, 20),
    width=st.integers(3, 20),
    share=st.sampled_from([0.3, 0.6, 0.9, 1.0]),
    zones=st.booleans(),
    seed=st.integers(0, 999),
)
def test_it_is_what_a_loop_over_boxes_finds(
    height: int, width: int, share: float, zones: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    error = (rng.random((2, 3, height, width)) ** 8).astype(np.float32)
    keep = rng.random((height, width)) < share
    gain = rng.normal(0, 3, (height, width)) * zones
    sizes = sorted({box_size(height, width, scale) for scale in SCALES})
    naive = np.array([[naive_levels(frame, keep, gain, k) for k in sizes] for frame in error])
    used = np.isfinite(naive[0]).any(axis=(1, 2))
    assume(used.any())
    look = LocalError.looking_at(torch.from_numpy(keep), torch.from_numpy(gain))
    assert look.boxes == tuple(np.array(sizes)[used].tolist())
    np.testing.assert_allclose(look.levels(torch.from_numpy(error)), naive[:, used], atol=1e-3)
    found = look(torch.from_numpy(error))
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, naive[:, used].max(axis=(2, 3)), atol=1e-3)


@given(st.integers(1, 400), st.integers(1, 400), st.sampled_from([*SCALES, 8.0]))
def test_a_box_has_the_odd_size_nearest_to_its_share_of_the_shorter_side(
    height: int, width: int, scale: float
) -> None:
    wanted = max(3.0, min(height, width) / scale)
    k = box_size(height, width, scale)
    assert k % 2 == 1 and k >= 3
    assert abs(k - wanted) <= min(abs(k - 2 - wanted), abs(k + 2 - wanted))


def test_sizes_of_boxes_at_64_by_64() -> None:
    assert LocalError.looking_at(everywhere(64, 64)).boxes == (5, 7, 9, 13, 19, 25, 35)
    assert LocalError.looking_at(everywhere(64, 96), scales=(8.0,)).boxes == (9,)
    assert LocalError.looking_at(everywhere(16, 16)).boxes == (3, 5, 7, 9)


def test_an_error_that_is_the_same_everywhere_is_its_decibels() -> None:
    look = LocalError.looking_at(everywhere(24, 16))
    error = squared_error(torch.full((1, 3, 24, 16), 0.2), torch.zeros(1, 3, 24, 16))
    assert look(error).flatten().tolist() == pytest.approx([-20.0] * len(look.boxes), abs=1e-4)
    assert look(error * 0).flatten().tolist() == pytest.approx([-90.0] * len(look.boxes), abs=1e-4)
    assert look(error * math.nan).isnan().all()


def test_a_box_beside_a_large_error_keeps_its_digits() -> None:
    error = torch.ones(1, 1, 256, 256)
    error[..., 128:] = 1e-7
    level = LocalError.looking_at(everywhere(256, 256), scales=(200.0,)).levels(error)[0, 0]
    expected = 10 * math.log10(1e-7 + FLOOR)
    torch.testing.assert_close(level[5:-5, 140:-5], torch.full((246, 111), expected), atol=1e-3, rtol=0)
    sums = error[0, 0].cumsum(0).cumsum(1)  # the same by differences of float32 sums is far off
    box = sums[200, 200] - sums[197, 200] - sums[200, 197] + sums[197, 197]
    assert box.item() / 9 != pytest.approx(1e-7, rel=0.5)


def test_autocast_does_not_round_it() -> None:
    look = LocalError.looking_at(everywhere(32, 32))
    error = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = look(error)
    assert torch.equal(rounded, look(error))


def test_what_is_masked_has_no_influence() -> None:
    generator = torch.Generator().manual_seed(1)
    keep = everywhere(20, 20)
    keep[:, :9] = False
    error = torch.rand(1, 3, 20, 20, generator=generator)
    look = LocalError.looking_at(keep)
    other = torch.where(keep, error, torch.rand(1, 3, 20, 20, generator=generator))
    assert torch.equal(look(error), look(other))
    level = look.levels(error)[0, 0]  # boxes of 3 x 3: column 9 keeps 6 of its 9 pixels, column 8 three
    assert level[5, 9].isfinite() and level[5, 8] == -math.inf
    assert level[0, 15].isfinite() and level[0, 19] == -math.inf  # 6 and 4 of 9 lie in the frame


def test_sizes_for_which_the_mask_leaves_no_place_are_left_out() -> None:
    keep = torch.zeros(64, 64, dtype=torch.bool)
    keep[:8, :8] = True
    assert LocalError.looking_at(keep).boxes == (5, 7, 9)


def test_a_gain_makes_a_zone_less_touchy_and_moves_the_place() -> None:
    error = torch.zeros(1, 1, 40, 40)
    error[..., 4:12, 4:12] = 0.5
    error[..., 26:34, 26:34] = 0.3
    gain = torch.zeros(40, 40)
    gain[:20, :20] = -6
    scales = (13.0,)
    plain = LocalError.looking_at(everywhere(40, 40), scales=scales)
    zoned = LocalError.looking_at(everywhere(40, 40), gain, scales=scales)
    assert plain(error).item() == pytest.approx(10 * math.log10(0.5), abs=1e-4)
    assert zoned(error).item() == pytest.approx(10 * math.log10(0.3), abs=1e-4)
    assert plain.place(error[0], 0).x < 0.5 < zoned.place(error[0], 0).x


def test_the_place_has_the_region_around_it_and_no_other() -> None:
    error = torch.zeros(3, 50, 100)
    error[:, 10:20, 60:90] = 0.4
    error[:, 30:40, 5:25] = 0.39  # above half, but apart
    place = LocalError.looking_at(everywhere(50, 100), scales=(13.0,)).place(error, 0)
    assert (0.6 <= place.x <= 0.9) and (0.2 <= place.y <= 0.4)
    assert place.box == pytest.approx((0.6, 0.2, 0.3, 0.2), abs=0.021)


def test_the_box_of_a_frame_without_error_is_the_frame() -> None:
    look = LocalError.looking_at(everywhere(30, 20), scales=(1e9,))
    left, top, width, height = look.place(torch.zeros(3, 30, 20), 0).box
    # Of 3 x 3 boxes only those at the four corners hang over by more than half.
    assert (left, top) == (0, 0)
    assert (width, height) == (1, 1)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 999))
def test_a_region_is_what_is_connected_over_edges_and_corners(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    region = rng.random((height, width)) < 0.45
    row, column = int(rng.integers(height)), int(rng.integers(width))
    region[row, column] = True
    labels, _ = label(region, structure=np.ones((3, 3)))
    np.testing.assert_array_equal(connected(region, row, column), labels == labels[row, column])


@pytest.mark.parametrize(
    ("keep", "gain", "message"),
    [
        (torch.zeros(8, 8, dtype=torch.bool), None, "a mask that leaves 0 pixels"),
        (everywhere(8, 8), torch.full((8, 8), -math.inf), "expected finite dB"),
        (everywhere(8, 8), torch.zeros(8, 9), "expected finite dB"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(keep: Tensor, gain: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalError.looking_at(keep, gain)
