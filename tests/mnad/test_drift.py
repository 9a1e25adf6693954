"""The bet against a calibration, and the shares of an hour."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from mnad.drift import SHARES, TOO_MANY, Usual, betting_wealth
from mnad.levels import Recording

LEVEL = np.log([2.0, 4.0, 8.0])


@given(st.integers(0, 300), st.floats(0, 100), st.floats(0.1, 20), st.floats(1, 5))
def test_wealth_is_the_mean_of_three_bets(alarms: int, hours: float, rate: float, phi: float) -> None:
    bets = [theta * alarms / phi - rate * hours * (math.exp(theta) - 1) / phi for theta in LEVEL]
    expected = sum(math.exp(min(bet, 700)) for bet in bets) / 3
    found = betting_wealth(np.array([alarms]), np.array([hours]), rate, phi)
    assert found[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("phi", [1, 3])
@pytest.mark.parametrize("hours", [0.5, 6.0])
def test_on_bunches_of_phi_alarms_at_the_calibrated_rate_nothing_is_won_on_average(
    phi: int, hours: float
) -> None:
    bunches = np.arange(200)
    wealth = betting_wealth(phi * bunches, np.full(200, hours), 2.0, float(phi))
    assert poisson.pmf(bunches, 2.0 * hours / phi) @ wealth == pytest.approx(1)
    assert poisson.pmf(bunches, 2.5 * hours / phi) @ wealth > 1.1


def hours_of(*deviations: float, seed: int = 0) -> Recording:
    """Hours of noise at half a frame a second, each with a standard deviation of its own."""
    rng = np.random.default_rng(seed)
    evidence = np.concatenate([rng.normal(0, deviation, 1800) for deviation in deviations])
    return Recording(np.arange(len(evidence)) * 2.0, evidence)


def test_levels_are_quantiles_and_the_range_is_that_of_whole_hours() -> None:
    found = hours_of(1.0, 1.2, 0.8, 1.0)
    usual = Usual.of([found])
    assert usual.hours == 3  # the first frame has no step: the fourth hour lacks two seconds
    for level, share in zip(usual.levels, SHARES, strict=True):
        assert (found.evidence <= level).mean() == pytest.approx(share, abs=1e-3)
    by_hour = [usual.shares(found.evidence[1800 * n + 1 : 1800 * (n + 1) + 1]) for n in range(3)]
    np.testing.assert_allclose(usual.lowest, np.min(by_hour, axis=0), atol=1e-3)
    np.testing.assert_allclose(usual.highest, np.max(by_hour, axis=0), atol=1e-3)


@given(st.lists(st.floats(0.5, 2), min_size=1, max_size=4))
def test_added_hours_widen_the_range_and_leave_the_levels(deviations: list[float]) -> None:
    usual = Usual.of([hours_of(1.0, 1.0, 1.0)])
    wider = usual.add([hours_of(*deviations, 1.0, seed=1)])
    assert wider.levels == usual.levels
    assert wider.hours == usual.hours + len(deviations)
    assert (np.array(wider.lowest) <= usual.lowest).all()
    assert (np.array(wider.highest) >= usual.highest).all()


@pytest.mark.parametrize(
    ("deviation", "wealth", "verdict"),
    [
        (1.0, 1.0, "ok"),
        (1.0, TOO_MANY, "recalibrate"),
        (1.4, 1.0, "watch"),
        (3.0, 1.0, "recalibrate"),
        (0.3, 1.0, "recalibrate"),
    ],
)
def test_the_verdict_on_an_hour(deviation: float, wealth: float, verdict: str) -> None:
    usual = Usual.of([hours_of(1.0, 1.1, 0.9, 1.0, 1.0)])
    assert usual.verdict(usual.shares(hours_of(deviation, seed=1).evidence), wealth) == verdict


def test_without_two_hours_there_is_no_range_and_alarms_decide() -> None:
    usual = Usual.of([hours_of(1.0, 1.0)])
    strange = usual.shares(hours_of(9.0).evidence)
    assert usual.hours == 1
    assert usual.verdict(strange, 1.0) == "ok"
    assert usual.verdict(strange, TOO_MANY) == "recalibrate"


def test_frames_that_may_raise_no_alarm_have_no_share() -> None:
    usual = Usual.of([hours_of(1.0, 1.0)])
    evidence = np.array([9.0, -np.inf, 9.0, -np.inf, -9.0, -9.0])
    assert usual.shares(evidence).tolist() == [0.5, 0.5, 0.5]
