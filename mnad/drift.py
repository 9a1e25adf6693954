"""Whether a camera still sees what its calibration saw, without labels. Thresholds never move by themselves.

Two watches. Alarms that come faster than calibrated add up to an e-process, a bet against the calibration,
which on a camera that keeps to it rarely (in 1 % of runs, however long) comes to 100:

    W = mean over θ in {ln 2, ln 4, ln 8} of exp(θ N / φ - λ t (exp θ - 1) / φ)      N alarms in t hours

It is told by alarms of `Calibration.frequent`, about six an hour: of those at a promised rate of one an hour,
four times as many go unnoticed for three hours in a quarter of cases or more. Where bunches of alarms last as
long as the ten minutes in which φ counts them, days differ by more than φ says: W comes to 100 more often.

And the last hour's shares of time above levels of the calibration are held against those of its hours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mnad.levels import Recording, watched
from mnad.rates import Calibration

BETS = (2.0, 4.0, 8.0)
"""exp θ: by how much the rate is betted to have grown."""

TOO_MANY = 100.0
"""W from which there are more alarms than calibrated."""

SHARES = (0.5, 0.9, 0.99)
"""The shares of the calibration's time that lie below the levels; how much of an hour lies above these is
watched."""

HOUR = 3600.0

NEAR, FAR = 2.0, 4.0
"""How many times the odds of the range's end a share has that is to be watched, or to be calibrated anew."""

LEAST_SHARE = 1e-3
"""Shares of an hour nearer than this to 0 or 1 (3.6 s) are taken for it."""

Verdict = Literal["ok", "watch", "recalibrate"]


def betting_wealth(alarms: np.ndarray, hours: np.ndarray, alarms_per_hour: float, phi: float) -> np.ndarray:
    """W after some alarms in some hours, since the watch began or was last reset.

    Args:
        alarms, hours: (V,) N and t.
        alarms_per_hour: λ, the rate that is not exceeded if all is well.
        phi: φ, how many alarms a bunch has.

    Returns:
        (V,) float64, at least 0; above 1e304 it stays there.
    """
    growth = np.array(BETS)
    exponent = (np.log(growth) * alarms[:, None] - (growth - 1) * alarms_per_hour * hours[:, None]) / phi
    wealth: np.ndarray = np.exp(np.minimum(exponent, 700)).mean(axis=1)
    return wealth


def excess(calibration: Calibration, alarms: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """W (V,) after some alarms (V,) of `calibration.frequent()` in some hours (V,)."""
    return betting_wealth(alarms, hours, calibration.frequent().bound, calibration.phi)


@dataclass(frozen=True, kw_only=True)
class Usual:
    """How much of an hour a camera's normal video lies above some levels of evidence.

    Attributes:
        levels: evidence below which `SHARES` of the calibration's time lie.
        lowest, highest: of the calibration's whole hours, the least and the largest share above each level.
        hours: how many there are; with fewer than two there is no range to speak of.
    """

    levels: tuple[float, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]
    hours: int

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> "Usual":
        """From the calibration's recordings, at least one frame of which has settled."""
        settled = np.concatenate([recording.settled for recording in recordings])
        levels = tuple(np.quantile(settled, SHARES).tolist())
        return cls(levels=levels, lowest=(1.0,) * 3, highest=(0.0,) * 3, hours=0).add(recordings)

    def add(self, recordings: Sequence[Recording]) -> "Usual":
        """With the hours of more recordings; levels stay."""
        passed, seconds = watched(recordings)
        hour = np.concatenate([(time // HOUR).astype(np.int64) for time in passed])
        evidence = np.concatenate([recording.evidence for recording in recordings])
        shares = [self.shares(evidence[hour == number]) for number in range(int(seconds // HOUR))]
        return replace(
            self,
            lowest=tuple(np.min([np.array(self.lowest), *shares], axis=0).tolist()),
            highest=tuple(np.max([np.array(self.highest), *shares], axis=0).tolist()),
            hours=self.hours + len(shares),
        )

    def shares(self, evidence: np.ndarray) -> np.ndarray:
        """The shares (3,) of evidence (F,), about an hour of it, above each level; -inf does not count."""
        settled = evidence[evidence > -np.inf]
        above: np.ndarray = (settled[:, None] > np.array(self.levels)).mean(axis=0)
        return above

    def verdict(self, shares: np.ndarray, wealth: float) -> Verdict:
        """What the last hour's shares (3,) and W say.

        `recalibrate` if W >= 100, or a share's odds lie beyond the calibration's range by more than a factor
        of 4; `watch` if beyond it by a factor of 2; with fewer than two whole hours of calibration W decides.
        """
        if wealth >= TOO_MANY:
            return "recalibrate"
        if self.hours < 2:
            return "ok"
        odds, low, high = (_odds(np.array(one)) for one in (shares, self.lowest, self.highest))
        beyond = float(np.maximum(odds / high, low / odds).max())
        return "recalibrate" if beyond > FAR else "watch" if beyond > NEAR else "ok"


def _odds(share: np.ndarray) -> np.ndarray:
    clipped = np.clip(share, LEAST_SHARE, 1 - LEAST_SHARE)
    odds: np.ndarray = clipped / (1 - clipped)
    return odds
