"""Promised rates against true ones, and drift: on processes with memory, with the real automaton.

Three processes, four frames a second: noise; noise with visitors; noise whose strength wanders, so that
alarms come in bunches (φ is about 2). Each is calibrated 200 times on 3, 6 and 12 hours, and the rate of each
threshold is counted on the same 1,000 hours.
"""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import lfilter

from mnad.automaton import Stretch
from mnad.drift import TOO_MANY, excess
from mnad.levels import Recording
from mnad.rates import Calibration, Threshold

HZ = 4
TRUTH = 200
"""Hours of a stretch in which true rates are counted."""
TRUTHS = 5
"""Stretches: the alarms of one are too few to tell a rate of one per hour where they come in bunches."""
HOURS = (3, 6, 12)
CALIBRATIONS = 200
RATE = 1.0
"""Alarms per hour that are promised."""


def noise(rng: np.random.Generator, frames: int, memory: float) -> np.ndarray:
    """Normal values of variance 1 that forget over some seconds."""
    keep = math.exp(-1 / (HZ * memory))
    white = rng.standard_normal(frames)
    white[0] /= math.sqrt(1 - keep**2)
    values: np.ndarray = lfilter([math.sqrt(1 - keep**2)], [1, -keep], white)
    return values


def steady(rng: np.random.Generator, frames: int) -> np.ndarray:
    return noise(rng, frames, 1.0)


def visited(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Sixty visitors an hour, of some seconds (log-normal) each, conspicuous by an exponential law."""
    evidence = 0.5 * noise(rng, frames, 0.5)
    for _ in range(rng.poisson(60 * frames / HZ / 3600)):
        start = int(rng.integers(frames))
        length = int(HZ * rng.lognormal(math.log(6), 0.7)) + 1
        visit = np.sin(math.pi * np.arange(1, length + 1) / (length + 1)) * 1.5 * rng.exponential()
        evidence[start : start + length] += visit[: frames - start]
    return evidence


def wandering(rng: np.random.Generator, frames: int) -> np.ndarray:
    wander: np.ndarray = np.exp(0.2 * noise(rng, frames, 600.0))
    evidence: np.ndarray = noise(rng, frames, 1.0) * wander
    return evidence


PROCESSES: tuple[Callable[[np.random.Generator, int], np.ndarray], ...] = (steady, visited, wandering)


def hours_of(process: int, rng: np.random.Generator, hours: float) -> Recording:
    frames = int(hours * 3600 * HZ)
    return Recording(np.arange(frames) / HZ, PROCESSES[process](rng, frames))


def truth(process: int, number: int = 0) -> Recording:
    return hours_of(process, np.random.default_rng([process, number]), TRUTH)


@pytest.mark.slow
def test_promised_rates_are_kept_as_often_as_promised_and_refused_by_the_formula() -> None:
    cells: dict[tuple[str, int], np.ndarray] = {}  # true rates of the thresholds, over the promised one
    for process in range(len(PROCESSES)):
        promised: dict[int, np.ndarray] = {}
        for hours in HOURS:
            rng = np.random.default_rng([process, hours])
            thresholds = []
            for _ in range(CALIBRATIONS):
                calibration = Calibration.of([hours_of(process, rng, hours)])
                answer = calibration.threshold(RATE)
                carried = -calibration.phi * math.log(0.1) / calibration.hours
                assert isinstance(answer, Threshold) == (carried <= RATE)
                if isinstance(answer, Threshold):
                    assert answer.bound <= RATE
                    thresholds.append(answer)
            promised[hours] = np.array([(one.on, one.off) for one in thresholds]).T
        floor = min(off.min() for _, off in promised.values())
        alarms = {hours: np.zeros(len(on)) for hours, (on, _) in promised.items()}
        for number in range(TRUTHS):
            found = truth(process, number)
            stretch = Stretch(found.seconds, found.evidence, floor)
            for hours, levels in promised.items():
                alarms[hours] += count(stretch, *levels)
        for hours, all_of_them in alarms.items():
            cells[PROCESSES[process].__name__, hours] = all_of_them / (TRUTH * TRUTHS) / RATE
    table = "\n".join(
        f"{name:9} {hours:2} h: {len(rates):3} of {CALIBRATIONS} promise, {(rates > 1).mean():6.1%} of them "
        f"and {(rates > 1).sum() / CALIBRATIONS:6.1%} of all not kept, median {np.median(rates):.3f}"
        for (name, hours), rates in cells.items()
    )
    print(table)
    for rates in cells.values():
        # What a confidence of 90 % says: of all calibrations, so many end in a promise that is not kept.
        assert (rates > 1).sum() / CALIBRATIONS <= 0.15, table
        # The same of those that promise, where half do or nearly. Where a camera needs more hours than there
        # are, those that are not refused happened to see few bunches, so that their φ is too low.
        if len(rates) >= 0.4 * CALIBRATIONS:
            assert (rates > 1).mean() <= 0.15, table
        assert np.median(rates) >= 0.2, table
    assert (np.concatenate(list(cells.values())) > 1).mean() <= 0.10, table


def count(stretch: Stretch, on: np.ndarray, off: np.ndarray) -> np.ndarray:
    """How many alarms each of V automata raises, (V,)."""
    return np.array([len(stretch.alarms(*pair)) for pair in zip(on.tolist(), off.tolist(), strict=True)])


RUNS = 100


def most(alarms: np.ndarray, hours: float, calibration: Calibration) -> float:
    """The highest W within some hours, of alarms at some hours since the watch began."""
    at = alarms[alarms <= hours]
    if not len(at):
        return 1.0
    return float(excess(calibration, np.arange(1, len(at) + 1), at).max())


@pytest.mark.slow
@pytest.mark.parametrize("process", range(len(PROCESSES)))
def test_drift_is_told_within_three_hours_of_a_fourfold_rate_and_rarely_without_one(process: int) -> None:
    long = truth(process)
    floor = float(np.quantile(long.evidence, 0.95))
    stretch = Stretch(long.seconds, long.evidence, floor)
    levels = np.quantile(long.evidence, 1 - np.geomspace(1e-4, 0.05, 200))[:-1]
    rates = count(stretch, levels, np.full(len(levels), floor)) / TRUTH
    at = long.seconds[stretch.alarms(float(levels[np.argmax(rates > 24) - 1]), floor)] / 3600
    rng = np.random.default_rng([process, 24])
    false, told = 0, 0
    for run in range(RUNS):
        calibration = Calibration.of([hours_of(process, rng, 6)])
        day = hours_of(process, rng, 24)
        watch = calibration.frequent()
        normal = Stretch(day.seconds, day.evidence, watch.off).alarms(watch.on, watch.off)
        false += most(day.seconds[normal] / 3600, 24, calibration) >= TOO_MANY
        since = at - run * (TRUTH - 3) / RUNS
        told += most(since[since > 0], 3, calibration) >= TOO_MANY
    print(
        f"{PROCESSES[process].__name__}: W >= 100 in {false} of {RUNS} days, {told} of {RUNS} fourfold rates"
    )
    # Bunches that last as long as a block make whole days busier than φ can tell: there W is no promise.
    bunches = PROCESSES[process] is wandering
    assert false <= (0.06 if bunches else 0.01) * RUNS
    assert told >= (0.4 if bunches else 0.95) * RUNS
