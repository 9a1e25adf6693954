"""What is counted of video frame by frame is what drift is told by, and it is told in words."""

import dataclasses
import functools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnad.automaton import Stretch
from mnad.drift import TOO_MANY
from mnad.levels import Recording, watched
from pipeline.runs.calibration import CalibrationRecord, Trace, evidence
from pipeline.runs.entries import entries
from pipeline.scoring.drifting import HOUR, Counter, Drift, Seen, drift, together
from tests.helpers.calibrations import made_of, noise

RATE = 2.0


@functools.cache
def record() -> CalibrationRecord:
    """Of four hours."""
    return made_of([noise(seed, seconds=2 * 3600, rate=RATE) for seed in (1, 2)])


def shown(*traces: Trace) -> Seen:
    return together(counted(found) for found in evidence(record().standard, traces))


def counted(found: Recording) -> Seen:
    counter = Counter(record())
    for seconds, value in zip(found.seconds.tolist(), found.evidence.tolist(), strict=True):
        counter.push(seconds, value)
    return counter.seen


def louder(trace: Trace, times: float) -> Trace:
    """The same with larger deviations from its mean."""
    mean = trace.values.mean(axis=0)
    return dataclasses.replace(trace, values=mean + times * (trace.values - mean))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), seconds=st.floats(1, 1200), times=st.sampled_from([1.0, 3.0]))
def test_counts_are_those_of_the_whole_video(seed: int, seconds: float, times: float) -> None:
    trace = louder(noise(seed, seconds=seconds, rate=RATE), times)
    (found,) = evidence(record().standard, [trace])
    seen = counted(found)
    passed, total = watched([found])
    often = record().calibration.frequent()
    raised = Stretch(found.seconds, found.evidence, often.off).alarms(often.on, often.off)
    assert seen.hours == pytest.approx(total / 3600)
    assert seen.alarms == len(raised)
    settled = found.evidence > -np.inf
    minute = (passed[0][settled] // 60).astype(int)
    assert len(seen.minutes) == int(total // 60)
    for number, kept in enumerate(seen.minutes):
        values = found.evidence[settled][minute == number]
        assert kept.frames == len(values)
        assert kept.above == tuple((values[:, None] > np.array(record().usual.levels)).sum(axis=0))


def test_video_like_the_calibration_is_ok() -> None:
    found = drift(record(), shown(noise(9, seconds=2 * 3600, rate=RATE)))
    assert (found.verdict, found.words) == ("ok", "ok: the last hour is like those of the calibration")
    assert found.seen_hours == pytest.approx(2, abs=0.01)
    assert found.excess < 1


def test_an_hour_that_differs_is_told() -> None:
    found = drift(record(), shown(louder(noise(9, seconds=3700, rate=RATE), 0.3)))
    assert found.verdict == "recalibrate"
    assert found.words.startswith("recalibrate: in the last hour ")
    assert "% of the time was above the 99 % level of the calibration, whose hours had " in found.words
    assert found.words.endswith("; run calibrate on video of now")
    assert "\n" not in found.words


def test_more_alarms_than_calibrated_are_told_within_less_than_an_hour() -> None:
    found = drift(record(), shown(louder(noise(9, seconds=2400, rate=RATE), 2.0)))
    assert found.shares is None
    assert found.excess >= TOO_MANY
    assert found.verdict == "recalibrate"
    assert found.words.startswith(f"recalibrate: more alarms than calibrated, {found.alarms} in 39.9 minutes")


def test_short_videos_tell_something_together() -> None:
    parts = [shown(noise(seed, seconds=700, rate=RATE)) for seed in range(20, 27)]
    assert drift(record(), parts[0]).verdict is None
    assert drift(record(), parts[0]).words == ""
    whole = together(parts)
    assert whole.hours == pytest.approx(sum(part.hours for part in parts))
    assert whole.alarms == sum(part.alarms for part in parts)
    assert len(whole.minutes) == HOUR
    assert whole.minutes[-11:] == parts[-1].minutes
    assert drift(record(), whole).verdict == "ok"
    assert together([]) == Seen()


def test_a_calibration_of_less_than_two_hours_tells_by_alarms_alone() -> None:
    usual = dataclasses.replace(record().usual, hours=1)
    short = dataclasses.replace(record(), usual=usual)
    found = drift(short, shown(louder(noise(9, seconds=3700, rate=RATE), 0.3)))
    assert found.words == (
        "ok: no more alarms than calibrated; a calibration of two whole hours would tell more"
    )


@pytest.mark.parametrize("seconds", [1, 3700])
def test_what_is_recorded_is_read_again(seconds: int) -> None:
    seen = shown(noise(9, seconds=seconds, rate=RATE))
    for kind, value in ((Seen, seen), (Drift, drift(record(), seen))):
        assert entries(kind, json.loads(json.dumps(dataclasses.asdict(value)))) == value
