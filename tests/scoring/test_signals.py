"""Signals of a moment: what each score is made of, always finite."""

import dataclasses

import numpy as np
import pytest
import torch

from mnad.local_error import LocalError
from pipeline.runs.calibration import Trace
from pipeline.scoring.moments import Gaze, Moment
from pipeline.scoring.signals import Signals, paper_signals, signals_of
from tests.helpers.calibrations import made_of, noise

KEEP = LocalError.looking_at(torch.ones(16, 24, dtype=torch.bool))
MOMENT = Moment(
    frame=4,
    seconds=0.16,
    picture=np.zeros((16, 24, 3), np.uint8),
    psnr=31.0,
    feature_distance=0.25,
    point_score=0.1,
    memory_updated=False,
    local=np.array([-20.0, -25.0]),
    local_error=-22.0,
    gap=False,
    profile=None,
    error=torch.zeros(3, 16, 24),
    gaze=Gaze(boxes=KEEP, table=KEEP),
)


def test_signals_are_larger_where_a_frame_is_less_usual() -> None:
    assert Signals(score="local").of(MOMENT).tolist() == [-20.0, -25.0]
    assert Signals(score="psnr").of(MOMENT).tolist() == [-31.0]
    assert Signals(score="paper", weights=(2.0, 10.0)).of(MOMENT).tolist() == [-59.5]


@pytest.mark.parametrize("score", ["psnr", "paper"])
def test_a_perfect_frame_has_finite_signals(score: str) -> None:
    perfect = dataclasses.replace(MOMENT, psnr=np.inf)
    signals = Signals(score="psnr") if score == "psnr" else Signals(score="paper", weights=(1.0, 1.0))
    assert signals.of(perfect)[0] == pytest.approx(-90.0 + (0.25 if score == "paper" else 0))


def test_weights_are_the_shares_over_the_spread_of_normal_video() -> None:
    trace = noise(1, seconds=120, signals=2)
    wide = Trace(seconds=trace.seconds, values=trace.values * [1.0, 3.0], restarts=trace.restarts)
    one, other = paper_signals([trace], 0.6), paper_signals([wide], 0.6)
    assert other.weights[0] == pytest.approx(one.weights[0])
    assert other.weights[1] == pytest.approx(one.weights[1] / 3)
    assert paper_signals([trace], 0.3).weights[0] == pytest.approx(one.weights[0] / 2)


def test_video_in_which_nothing_differs_has_no_weights() -> None:
    still = Trace(seconds=np.arange(50) / 10, values=np.ones((50, 2)), restarts=[])
    short = Trace(seconds=np.arange(3) / 10, values=np.random.default_rng(0).random((3, 2)), restarts=[])
    for trace in (still, short):
        with pytest.raises(ValueError, match="do not differ"):
            paper_signals([trace], 0.6)


def test_a_calibration_says_what_its_signals_are() -> None:
    record = made_of([noise(1, seconds=120)])
    assert signals_of(record) == Signals(score="local")
    belongs = dataclasses.replace(record.belongs, score="paper", alpha=0.6)
    paper = dataclasses.replace(record, belongs=belongs, weights=(2.0, 3.0), boxes=())
    assert signals_of(paper) == Signals(score="paper", weights=(2.0, 3.0))
