"""Scores against their formulas, and batched scoring against one window at a time."""

import math
from typing import cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mnad import MNAD, FrameScores, normality, score_batch
from mnad.model import Encoded
from mnad.scoring import feature_distance, min_max, point_score, psnr, squared_error

LOW, HIGH = 0.1, 0.5
"""Errors (pixels in [-1, 1]) below and above THRESHOLD's point score."""
THRESHOLD = 0.01


class ChainModel:
    """A stand-in for MNAD whose decisions follow a table, so that any mix of wrong guesses can be staged.

    Window i's query is the i-th unit vector, so the memory shows which frames went into it. Its error is
    low, and so its decision is to update, as `table[i][whether window i - 1 updated]` says.
    """

    def __init__(self, table: list[tuple[bool, bool]]) -> None:
        self.table = table
        self.passes = 0
        self.items = torch.zeros(2, len(table) + 2)
        self.items[0, -1] = self.items[1, -2] = 1

    def windows(self) -> Tensor:
        """(B, 1, 1, 1, 1); the value is the window's number."""
        return torch.arange(len(self.table), dtype=torch.float32).view(-1, 1, 1, 1, 1)

    def split(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        return windows[:, 0], torch.zeros(len(windows), 1, 1, 1)

    def encode(self, inputs: Tensor) -> Encoded:
        numbers = inputs.long().flatten()
        queries = torch.nn.functional.one_hot(numbers, self.items.shape[1]).float()
        return Encoded(queries=queries[:, None], skips=None, grid=(1, 1))

    def decode(self, encoded: Encoded, items: Tensor) -> Tensor:
        self.passes += 1
        numbers = encoded.queries[:, 0].argmax(dim=1).tolist()
        errors = [
            LOW if self.table[number][bool((memory[:, number - 1] > 0).any()) and number > 0] else HIGH
            for number, memory in zip(numbers, items, strict=True)
        ]
        return torch.tensor(errors).view(-1, 1, 1, 1)

    def decisions(self) -> list[bool]:
        """What one window at a time decides."""
        made: list[bool] = []
        for row in self.table:
            made.append(row[bool(made) and made[-1]])
        return made

    def score(self, batch: int, guess: bool) -> tuple[FrameScores, Tensor]:
        items, parts = self.items, []
        for windows in self.windows().split(batch):
            scores, items = score_batch(cast(MNAD, self), windows, items, THRESHOLD, guess=guess)
            parts.append(scores)
        return FrameScores.join(parts), items


@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12),
    st.integers(1, 12),
    st.booleans(),
)
def test_any_chain_of_decisions_is_found_whatever_the_batch_and_the_guess(
    table: list[tuple[bool, bool]], batch: int, guess: bool
) -> None:
    model = ChainModel(table)
    scores, items = model.score(batch, guess)
    assert scores.memory_updated.tolist() == model.decisions()
    one, last = model.score(1, True)
    assert torch.equal(items, last)
    np.testing.assert_array_equal(scores.psnr, one.psnr)
    np.testing.assert_array_equal(scores.feature_distance, one.feature_distance)


@pytest.mark.parametrize("guess", [True, False])
def test_where_every_guess_is_wrong_each_pass_settles_one_frame(guess: bool) -> None:
    # Each window does what the one before did not; the first does not do what is guessed.
    model = ChainModel([(not guess, not guess), *[(True, False)] * 15])
    scores, _ = model.score(16, guess)
    assert model.passes == 16
    assert scores.memory_updated.tolist() == model.decisions()


def test_where_every_guess_is_right_one_pass_does() -> None:
    model = ChainModel([(True, True)] * 16)
    model.score(16, True)
    assert model.passes == 1


def test_a_score_equal_to_the_threshold_does_not_update() -> None:
    model = ChainModel([(True, True)] * 4)
    point = point_score(squared_error(torch.full((1, 1, 1), LOW), torch.zeros(1, 1, 1))).item()
    scores, items = score_batch(cast(MNAD, model), model.windows(), model.items, point)
    assert scores.point_score.tolist() == [point] * 4
    assert not scores.memory_updated.any()
    assert torch.equal(items, model.items)


@pytest.fixture(scope="module")
def networks() -> dict[str, MNAD]:
    torch.manual_seed(0)
    return {"pred": MNAD("pred", items=4).eval(), "recon": MNAD("recon", window=1, items=4).eval()}


def windows_of(frames: Tensor, window: int) -> Tensor:
    """(B, T, C, H, W) of frames (F, C, H, W)."""
    return frames.unfold(0, window, 1).permute(0, 4, 1, 2, 3)


def noise(count: int, generator: torch.Generator) -> Tensor:
    """Frames of noise around a brightness of their own, (count, 3, 8, 16) in [-1, 1]."""
    level = torch.rand(count, 1, 1, 1, generator=generator) * 1.6 - 0.8
    return (level + 0.2 * torch.randn(count, 3, 8, 16, generator=generator)).clamp(-1, 1)


@pytest.mark.parametrize("task", ["pred", "recon"])
@pytest.mark.parametrize("video", ["noise", "still"])
@pytest.mark.parametrize("quantile", [0.0, 0.5, 1.0])
def test_any_batch_size_gives_the_scores_of_one_window_at_a_time(
    networks: dict[str, MNAD], task: str, video: str, quantile: float
) -> None:
    model = networks[task]
    frames = noise(14, torch.Generator().manual_seed(1))
    if video == "still":
        frames = frames[:1].expand(14, -1, -1, -1)
    windows = windows_of(frames, 5 if task == "pred" else 1)
    start = model.memory.items

    def run(batch: int, threshold: float, guess: bool) -> tuple[FrameScores, Tensor]:
        items, parts = start, []
        for part in windows.split(batch):
            scores, items = score_batch(model, part, items, threshold, guess=guess)
            parts.append(scores)
        return FrameScores.join(parts), items

    points = run(1, -math.inf, False)[0].point_score
    # Beside a point score, never at one: batches differ in the last of its digits.
    threshold = float(np.quantile(points, quantile)) * (0.9999 if video == "noise" else 1.001)
    expected, last = run(1, threshold, True)
    for batch, guess in ((3, True), (len(windows), False)):
        found, items = run(batch, threshold, guess)
        assert found.memory_updated.tolist() == expected.memory_updated.tolist()
        np.testing.assert_allclose(found.psnr, expected.psnr, atol=1e-3)
        np.testing.assert_allclose(found.feature_distance, expected.feature_distance, rtol=1e-3)
        torch.testing.assert_close(items, last, atol=1e-5, rtol=0)


def test_a_frozen_memory_is_never_updated(networks: dict[str, MNAD]) -> None:
    model = networks["recon"]
    windows = windows_of(noise(4, torch.Generator().manual_seed(2)), 1)
    scores, items = score_batch(model, windows, model.memory.items, -math.inf, guess=False)
    assert not scores.memory_updated.any()
    assert torch.equal(items, model.memory.items)


def test_formulas_on_a_frame_that_can_be_computed_by_hand() -> None:
    frame, target = torch.zeros(1, 1, 1, 2), torch.tensor([[[[0.0, 1.0]]]])
    error = squared_error(frame, target)
    assert error.flatten().tolist() == [0.0, 0.25]
    assert psnr(error).item() == pytest.approx(10 * math.log10(1 / 0.125))
    assert point_score(error).item() == pytest.approx(0.25)  # all weight lies where the error is
    assert psnr(error * 0).item() == math.inf
    assert point_score(error * 0).item() == 0


def test_feature_distance_is_to_each_frames_own_nearest_item() -> None:
    queries = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]])
    items = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.6, 0.8]]])
    expected = [0.0, (0.4**2 + 0.8**2) / 2]
    assert feature_distance(queries, items).tolist() == pytest.approx(expected)


def test_min_max_edge_cases() -> None:
    inf = math.inf
    assert min_max(np.array([1.0, 3.0, 2.0])).tolist() == [0, 1, 0.5]
    assert min_max(np.array([2.0, 2.0])).tolist() == [0, 0]
    assert min_max(np.array([1.0, inf, 3.0, 2.0])).tolist() == [0, 1, 1, 0.5]
    assert min_max(np.array([inf, inf])).tolist() == [0, 0]


@given(
    st.lists(st.lists(st.floats(-9, 9) | st.just(math.inf), min_size=1, max_size=6), min_size=1, max_size=5)
)
def test_groups_are_mapped_as_each_alone(groups: list[list[float]]) -> None:
    ends = np.cumsum([len(group) for group in groups])[:-1]
    together = min_max(np.concatenate(groups), ends)
    alone = [min_max(np.array(group)) for group in groups]
    assert together.tolist() == np.concatenate(alone).tolist()


def test_normality_weighs_high_psnr_and_low_distance() -> None:
    values = normality(np.array([10.0, 20.0, 30.0]), np.array([0.0, 2.0, 1.0]), 0.6)
    assert values.tolist() == pytest.approx([0.4, 0.3, 0.8])
