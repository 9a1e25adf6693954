"""The bound of a mean against scipy's quantiles."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaincc
from scipy.stats import chi2

from mnad.poisson import poisson_bound, upper_gamma


@given(st.lists(st.floats(0, 2000), min_size=1, max_size=20), st.floats(1e-6, 0.99))
def test_the_bound_is_half_the_quantile_of_chi_square(counts: list[float], delta: float) -> None:
    count = np.array(counts)
    bound = poisson_bound(count, delta)
    np.testing.assert_allclose(bound, chi2.isf(delta, 2 * (count + 1)) / 2, rtol=1e-8)
    assert (upper_gamma(count + 1, bound) <= delta).all()
    assert (upper_gamma(count + 1, np.nextafter(bound, 0)) > delta).all()


@pytest.mark.parametrize("delta", [0.1, 0.05])
def test_without_a_count_it_is_the_logarithm(delta: float) -> None:
    assert poisson_bound(np.zeros(1), delta)[0] == pytest.approx(-math.log(delta), rel=1e-14)


@given(st.floats(1, 1000), st.floats(0, 2000))
def test_the_gamma_function_is_scipys(shape: float, mean: float) -> None:
    assert upper_gamma(np.array([shape]), mean)[0] == pytest.approx(
        gammaincc(shape, mean), rel=1e-8, abs=1e-12
    )
