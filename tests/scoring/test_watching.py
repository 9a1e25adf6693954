"""Watching frame by frame gives what whole videos give: evidence, rarity, alarms, and events made of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnad.automaton import COOLDOWN, Stretch
from mnad.evidence import Standard, alarming, causal_mean
from mnad.levels import Recording
from mnad.rates import Calibration, Threshold
from pipeline.scoring.watching import Baseline, Episode, Watched, Watcher

STANDARD = Standard(mean=np.array([-20.0, -25.0]), deviation=np.array([2.0, 1.0]))


def bursts(seed: int, frames: int = 4000, step: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Times and two signals (F, 2), dB, that now and then rise for some seconds."""
    rng = np.random.default_rng(seed)
    strength = np.repeat(rng.exponential(1.5, frames // 8 + 1) * (rng.random(frames // 8 + 1) < 0.1), 8)
    signals = rng.normal(0, 0.5, (frames, 2)) + strength[:frames, None] * [1.0, 0.4]
    return np.arange(frames) * step, STANDARD.mean + STANDARD.deviation * signals


def calibration() -> Calibration:
    recordings = []
    for seed in range(3):
        seconds, signals = bursts(seed)
        means, settled = causal_mean(seconds, signals)
        recordings.append(Recording(seconds, alarming(STANDARD.evidence(means)[0], settled)))
    return Calibration.of(recordings)


CALIBRATION = calibration()


def baseline(alarms_per_hour: float = 6.0) -> Baseline:
    threshold = CALIBRATION.threshold(alarms_per_hour)
    assert isinstance(threshold, Threshold)
    return Baseline(
        standard=STANDARD, calibration=CALIBRATION, quantiles=np.array([-1.0, 0.0, 3.0]), threshold=threshold
    )


Run = tuple[list[Watched], list[Episode]]


def watch(
    baseline: Baseline, seconds: np.ndarray, signals: np.ndarray, restarts: set[int] | None = None
) -> Run:
    watcher, watched = Watcher(baseline), []
    for frame, (time, values) in enumerate(zip(seconds.tolist(), signals, strict=True)):
        watched.append(watcher.push(frame, time, values, restart=frame in (restarts or set())))
    over = [one.is_over for one in watched if one.is_over is not None]
    last = watcher.finish()
    assert watcher.episode is None
    return watched, over if last is None else [*over, last]


@st.composite
def videos(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, set[int]]:
    """Irregular times with gaps, signals, and frames before which windows begin anew."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    frames = draw(st.integers(1, 300))
    steps = rng.choice(
        [0.1, 0.3, 0.9, 2.0, 7.0, 29.0, 31.0], frames, p=[0.4, 0.3, 0.2, 0.04, 0.03, 0.02, 0.01]
    )
    strength = np.repeat(rng.exponential(2, frames // 8 + 1) * (rng.random(frames // 8 + 1) < 0.3), 8)
    signals = rng.normal(0, 0.5, (frames, 2)) + strength[:frames, None]
    restarts = draw(st.sets(st.integers(0, frames - 1), max_size=3))
    return np.cumsum(steps), STANDARD.mean + STANDARD.deviation * signals, restarts


@given(videos(), st.sampled_from([2.0, 6.0, 20.0]))
def test_frame_by_frame_is_the_whole_video(
    video: tuple[np.ndarray, np.ndarray, set[int]], alarms_per_hour: float
) -> None:
    seconds, signals, restarts = video
    kept = baseline(alarms_per_hour)
    watched, _ = watch(kept, seconds, signals, restarts)
    means, settled = causal_mean(seconds, signals, restarts)
    evidence, best = STANDARD.evidence(means)
    assert [one.evidence for one in watched] == evidence.tolist()
    assert [one.signal for one in watched] == best.tolist()
    assert [one.is_settled for one in watched] == settled.tolist()
    hours, censored = CALIBRATION.rarity(evidence[settled])
    assert [one.rarity_hours for one in watched if one.is_settled] == hours.tolist()
    assert [one.is_censored for one in watched if one.is_settled] == censored.tolist()
    assert all(math.isnan(one.rarity_hours) for one in watched if not one.is_settled)
    assert kept.threshold is not None
    alarms = Stretch(seconds, alarming(evidence, settled), kept.threshold.off)
    raised = [frame for frame, one in enumerate(watched) if one.change == "raised"]
    assert raised == alarms.alarms(kept.threshold.on, kept.threshold.off).tolist()


@given(videos())
def test_events_are_what_the_alarms_of_the_frames_make(
    video: tuple[np.ndarray, np.ndarray, set[int]],
) -> None:
    seconds, signals, restarts = video
    watched, episodes = watch(baseline(), seconds, signals, restarts)
    raised = [frame for frame, one in enumerate(watched) if one.change == "raised"]
    assert [episode.start for episode in episodes] == seconds[raised].tolist()
    assert [episode.number for episode in episodes] == list(range(len(episodes)))
    assert all((one.event is not None) == one.alarm for one in watched)
    for episode in episodes:
        own = [frame for frame, one in enumerate(watched) if one.event == episode.number]
        # Its last frame is the one that closed it, behind those with an alarm, or the last of the video.
        end = min(own[-1] + 1, len(seconds) - 1)
        assert episode.end == seconds[end]
        assert episode.frames == end - own[0] + 1
        assert episode.max_gap == np.diff(seconds[own[0] : end + 1], prepend=seconds[own[0]]).max()
        settled = [frame for frame in own if watched[frame].is_settled]
        strongest = max(settled, key=lambda frame: (watched[frame].evidence, -frame))
        assert episode.top.frame == strongest
        assert episode.top.rarity_hours == watched[strongest].rarity_hours
        tops = [frame for frame in own if watched[frame].is_top]
        assert tops[0] == own[0]
        assert tops[-1] == strongest


def test_an_event_is_over_when_it_can_no_longer_be_reopened() -> None:
    seconds = np.arange(0, 100, 0.1)
    signals = np.tile(STANDARD.mean, (len(seconds), 1))
    signals[300:310] += 200.0
    watched, (episode,) = watch(baseline(), seconds, signals)
    (over,) = [frame for frame, one in enumerate(watched) if one.is_over is not None]
    assert episode.end is not None
    assert seconds[over - 1] <= episode.end + COOLDOWN < seconds[over]


def test_without_a_calibration_there_is_evidence_and_no_alarm() -> None:
    seconds = np.arange(0, 4, 0.1)
    signals = np.full((len(seconds), 1), -12.0)
    watched, episodes = watch(Baseline.uncalibrated(), seconds, signals)
    assert not episodes
    assert not any(one.alarm for one in watched)
    assert [one.evidence for one in watched] == [-12.0] * len(seconds)
    assert all(math.isnan(one.rarity_hours) and math.isnan(one.share_above) for one in watched)


@pytest.mark.parametrize(
    ("evidence", "share"), [(-5.0, 1.0), (-1.0, 1.0), (0.0, 0.5), (1.5, 0.25), (9.0, 0.0)]
)
def test_the_share_above_is_that_of_the_quantiles(evidence: float, share: float) -> None:
    assert baseline().share_above(evidence) == share
