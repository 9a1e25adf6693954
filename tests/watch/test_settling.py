"""Frames that lie too far apart for an alarm are told, and so is why."""

import numpy as np
import pytest

from mnad.evidence import CausalMean
from pipeline.watch.settling import Settling


def followed(
    settling: Settling, step: float, count: int, *, start: float = 0.0, skips: int = 0
) -> list[float]:
    """When something changed while frames were scored, one every `step` seconds."""
    mean, changed = CausalMean(), []
    for number in range(count):
        now = start + number * step
        _, is_settled = mean.push(now, np.zeros(1))
        if settling.push(now, skips * number, is_settled=is_settled):
            changed.append(now)
    return changed


@pytest.mark.parametrize("step", [1.05, 2.1, 20.0])
def test_frames_more_than_a_second_apart_raise_no_alarm_which_is_known_in_two_minutes(step: float) -> None:
    settling = Settling()
    (changed,) = followed(settling, step, int(300 / step), skips=3)
    assert changed <= 150
    assert settling.blind == "too slow: no alarms"
    (changed,) = followed(settling, 0.2, 300, start=1000.0, skips=0)
    assert 1000 <= changed <= 1030
    assert settling.blind == ""


def test_what_breaks_off_though_the_machine_is_fast_is_called_so() -> None:
    settling = Settling()
    followed(settling, 1.5, 100)
    assert settling.blind == "pictures break off: no alarms"


def test_frames_as_they_should_be_and_breaks_of_a_minute_change_nothing() -> None:
    settling = Settling()
    assert followed(settling, 0.2, 1000) == []
    assert followed(settling, 0.2, 1000, start=300.0) == []
    assert followed(settling, 1.5, 20, start=600.0, skips=3) == []
