"""Smoothing and standards: against their formulas, and one frame at a time against a whole video."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnad.evidence import GAP, SETTLING, TAU, CausalMean, Standard, alarming, causal_mean

FRAMES = 30


def video(seed: int, gaps: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Times of irregular steps, of which a share are gaps of more than a second; errors in three boxes."""
    rng = np.random.default_rng(seed)
    steps = np.where(rng.random(FRAMES) < gaps, rng.uniform(1.01, 9, FRAMES), rng.uniform(1e-3, 0.9, FRAMES))
    return 1e4 + np.cumsum(steps), rng.normal(-30, 5, (FRAMES, 3))


@given(
    st.integers(0, 999), st.sets(st.integers(0, FRAMES - 1), max_size=3), st.sampled_from([np.float32, float])
)
def test_single_frames_and_whole_videos_are_equal_bit_by_bit(
    seed: int, restarts: set[int], kind: type
) -> None:
    seconds, local = video(seed)
    local = local.astype(kind)
    whole, settled = causal_mean(seconds, local, restarts)
    state = CausalMean()
    for frame in range(FRAMES):
        if frame in restarts:
            state.restart()
        mean, ready = state.push(float(seconds[frame]), local[frame])
        np.testing.assert_array_equal(mean, whole[frame])
        assert ready == settled[frame]


@given(st.integers(0, 999))
def test_a_mean_weighs_each_frame_as_the_formula_says(seed: int) -> None:
    seconds, local = video(seed, gaps=0)
    share = 1 - np.exp(-np.diff(seconds, prepend=-np.inf) / TAU)  # the first frame counts whole
    left = np.append(np.cumprod((1 - share)[:0:-1])[::-1], 1.0)  # what later frames leave of each
    means, _ = causal_mean(seconds, local)
    np.testing.assert_allclose(means[-1], (share * left) @ local, rtol=1e-9)


@given(st.integers(0, 999), st.integers(1, FRAMES - 1))
def test_nothing_looks_ahead(seed: int, cut: int) -> None:
    seconds, local = video(seed)
    means, settled = causal_mean(seconds, local)
    early, ready = causal_mean(seconds[:cut], local[:cut])
    np.testing.assert_array_equal(early, means[:cut])
    np.testing.assert_array_equal(ready, settled[:cut])


@given(st.integers(0, 999), st.integers(1, FRAMES - 1), st.booleans())
def test_after_a_gap_or_a_restart_nothing_is_left_of_what_was(seed: int, cut: int, gap: bool) -> None:
    seconds, local = video(seed)
    later = np.where(np.arange(FRAMES) < cut, seconds, seconds + gap * (GAP + 0.01))
    means, settled = causal_mean(later, local, () if gap else (cut,))
    fresh, ready = causal_mean(seconds[cut:], local[cut:])
    np.testing.assert_allclose(means[cut:], fresh, rtol=1e-9)
    np.testing.assert_array_equal(settled[cut:], ready)


def test_a_step_of_a_second_goes_on_and_a_longer_one_starts_again() -> None:
    local = np.array([[0.0], [10.0]])
    goes_on, _ = causal_mean(np.array([0.0, GAP]), local)
    again, _ = causal_mean(np.array([0.0, GAP + 1e-9]), local)
    assert goes_on[1, 0] == pytest.approx(10 * (1 - math.exp(-1 / 0.3)))
    assert again[1, 0] == 10


def test_a_mean_settles_nine_tenths_of_a_second_after_each_start() -> None:
    seconds = np.arange(0, 8) / 4
    _, settled = causal_mean(seconds, np.zeros((8, 1)), restarts=[5])
    assert pytest.approx(0.9) == SETTLING
    assert settled.tolist() == [False, False, False, False, True, False, False, False]


@pytest.mark.parametrize("seconds", [1.0, 0.5, math.nan, math.inf])
def test_time_that_does_not_go_on_is_refused(seconds: float) -> None:
    state = CausalMean()
    state.push(1.0, np.zeros(2))
    with pytest.raises(ValueError, match=r"after one at 1\.0 s"):
        state.push(seconds, np.zeros(2))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_an_error_that_is_no_number_is_refused_and_leaves_the_mean(value: float) -> None:
    state = CausalMean()
    state.push(1.0, np.zeros(2))
    with pytest.raises(ValueError, match="no number at 2"):
        state.push(2.0, np.array([0.0, value]))
    assert state.push(1.1, np.zeros(2))[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("seconds", "value", "words"),
    [
        (1.0, 0.0, r"a frame at 1\.0 s after one at 1\.0 s"),
        (math.nan, 0.0, r"a frame at nan s after one at 1\.0 s"),
        (math.inf, 0.0, r"a frame at inf s after one at 1\.0 s"),
        (2.0, math.nan, r"no number at 2\.0 s"),
        (2.0, math.inf, r"no number at 2\.0 s"),
    ],
)
def test_a_whole_video_is_refused_as_its_frames_are(seconds: float, value: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        causal_mean(np.array([0.0, 1.0, seconds]), np.array([[0.0], [0.0], [value]]))


@given(st.integers(0, 999))
def test_normal_video_has_mean_0_and_deviation_1_in_each_box_and_the_largest_counts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    means = rng.normal([-30, -20, -10], [1, 2, 3], (50, 3))
    standard = Standard.fit(means)
    alone = np.stack([standard.evidence(np.where(np.arange(3) == k, means, -1e9))[0] for k in range(3)])
    np.testing.assert_allclose(alone.mean(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(alone.std(axis=1), 1, rtol=1e-9)
    evidence, box = standard.evidence(means)
    np.testing.assert_array_equal(evidence, alone.max(axis=0))
    np.testing.assert_array_equal(box, alone.argmax(axis=0))
    one, winner = standard.evidence(means[7])
    assert (one, winner) == (evidence[7], box[7])


def test_without_a_calibration_the_decibels_of_one_box_stand_in() -> None:
    evidence, box = Standard(mean=np.zeros(1), deviation=np.ones(1)).evidence(np.array([[-31.5], [-20.0]]))
    assert evidence.tolist() == [-31.5, -20.0]
    assert box.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("means", "message"),
    [
        (np.zeros((1, 2)), "found 1 scored frames"),
        (np.array([[0.0, -30.0], [1.0, -30.0]]), "do not differ"),
        (np.array([[0.0], [math.nan]]), "do not differ"),
    ],
)
def test_what_gives_no_standard_is_refused(means: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Standard.fit(means)


def test_no_alarm_may_come_from_a_mean_that_has_not_settled() -> None:
    found = alarming(np.array([5.0, 6.0]), np.array([False, True]))
    assert found.tolist() == [-math.inf, 6.0]


def test_a_long_video_is_that_of_its_frames_across_every_block(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, local = video(7)
    whole, _ = causal_mean(seconds, local, [9])
    monkeypatch.setattr("mnad.evidence._BLOCK", 4)
    np.testing.assert_array_equal(causal_mean(seconds, local, [9])[0], whole)


def test_no_frames_have_no_means() -> None:
    means, settled = causal_mean(np.empty(0), np.empty((0, 3)))
    assert means.shape == (0, 3) and settled.shape == (0,)
