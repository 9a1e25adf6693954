"""The feature distance from what is normal at each place."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from mnad.places import FLOOR, NormalPlaces

ITEMS = torch.empty(0)


def fitted(*batches: Tensor) -> NormalPlaces:
    return NormalPlaces.fit(lambda: iter(batches))


@given(
    windows=st.integers(2, 12),
    places=st.integers(1, 4),
    features=st.integers(1, 5),
    cut=st.integers(0, 12),
    seed=st.integers(0, 99),
)
def test_it_is_what_the_formula_says_however_windows_are_batched(
    windows: int, places: int, features: int, cut: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    seen = rng.normal(rng.normal(size=(places, features)), size=(windows, places, features))
    other = rng.normal(size=(3, places, features))
    variance = seen.var(axis=0)
    variance += FLOOR * variance.mean()

    def deviation(some: np.ndarray) -> np.ndarray:
        mean: np.ndarray = ((some - seen.mean(axis=0)) ** 2 / variance).mean(axis=-1)
        return mean

    usual, spread = deviation(seen).mean(axis=0), deviation(seen).std(axis=0)
    spread += FLOOR * spread.mean()
    assume(spread.min() > 1e-3)  # two windows are equally far from their mean
    expected = ((deviation(other) - usual) / spread).mean(axis=-1)
    normal = fitted(*torch.from_numpy(seen).float().tensor_split([cut]))
    found = normal.distance(torch.from_numpy(other).float(), ITEMS)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)


def test_normal_windows_are_at_zero_and_a_strange_query_counts_by_its_place() -> None:
    generator = torch.Generator().manual_seed(0)
    restless = torch.tensor([1.0, 0.01])[:, None]  # the first place varies a hundred times as much
    seen = restless * torch.randn(500, 2, 8, generator=generator)
    normal = fitted(seen)
    assert normal.distance(seen, ITEMS).mean().abs() < 1e-2
    strange = torch.zeros(2, 2, 8)
    strange[0, 0], strange[1, 1] = 0.5, 0.5
    usual_there, unheard_of = normal.distance(strange, ITEMS)
    assert usual_there < 0 < 100 < unheard_of


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "found 0 normal windows"),
        ([torch.ones(1, 2, 3)], "found 1 normal windows"),
        ([torch.ones(4, 2, 3)], "windows that do not differ"),
    ],
)
def test_what_tells_nothing_is_refused(batches: list[Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fitted(*batches)
