"""The words of a calibration: the promise as it is documented, and refusals whose advice works."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnad.levels import Levels
from mnad.rates import Calibration, Refusal, Threshold
from pipeline.runs.promises import SHORT, duration, promise, rate_carried, refusal
from tests.helpers.commands import ROOT


def calibration(hours: float, blocks: tuple[int, ...] = ()) -> Calibration:
    levels = Levels(floor=1.0, peaks=(3.0, 2.0))
    return Calibration(hours=hours, levels=levels, peaks=(3.0, 2.0), block_level=1.0, blocks=blocks)


def kept(answer: Threshold | Refusal) -> Threshold:
    assert isinstance(answer, Threshold)
    return answer


def refused(answer: Threshold | Refusal) -> Refusal:
    assert isinstance(answer, Refusal)
    return answer


def test_the_promise_is_the_documented_one() -> None:
    assert promise(kept(calibration(6.34).threshold(1))) == (
        "If the camera goes on seeing what it saw in the 6.3 hours of calibration, then with 90 % confidence "
        "there is at most one alarm per hour. It is no promise about what happens when season, light, "
        "framing or traffic change; the page shows when they have. It says nothing about how much is found."
    )


def test_the_page_has_promise_and_refusal_as_they_are_printed() -> None:
    lines = (ROOT / "docs/calibration.md").read_text().splitlines()
    page = " ".join(line.removeprefix("> ") for line in lines)
    assert promise(kept(calibration(6.34).threshold(1))) in page
    answer = Refusal(alarms_per_hour=1, delta=0.1, hours=3.04, hours_needed=4.84, carried=1.59)
    assert refusal(answer) in page


def test_other_promises_say_what_differs() -> None:
    made = calibration(6.3)
    assert "with 95 % confidence there are at most 0.5 alarms per hour." in promise(
        kept(made.threshold(0.5, 0.05))
    )
    assert "then on average there is at most one alarm per hour." in promise(kept(made.threshold(1, None)))
    words = promise(kept(made.threshold(1)), optimistic=True)
    assert words.startswith("Optimistic, for the model was trained on this video: If the camera")


def test_a_promise_names_the_events_that_were_called_normal() -> None:
    made = calibration(6.3)
    one, two = (dataclasses.replace(made, labelled=peaks) for peaks in ((4.0,), (4.0, 2.5)))
    assert (
        "in the 6.3 hours of calibration, to which 1 event that was called normal is added as an alarm, then "
    ) in promise(kept(one.threshold(1)))
    assert "to which 2 events that were called normal are added as alarms, then" in promise(
        kept(two.threshold(1))
    )


def test_a_refusal_says_how_many_hours_are_missing_and_what_there_is_instead() -> None:
    blocks = (0, 0, 0, 4) * 3
    made = calibration(3.0, blocks)
    phi = np.var(blocks, ddof=1) / np.mean(blocks)
    answer = refused(made.threshold(1))
    assert answer.hours_needed == pytest.approx(2.302585 * phi)
    assert refusal(answer) == (
        "1 alarm/h at 90 % needs 7.6 h of normal video like this; found 3.0 h, which carry 2.6/h: give more, "
        "or --alarms-per-hour 2.6"
    )
    assert refusal(refused(calibration(0.5).threshold(0.25, None))) == (
        "0.25 alarms/h on average needs 4.0 h of normal video like this; found 30.0 min, which carry 2/h: "
        "give more, or --alarms-per-hour 2"
    )


@given(
    hours=st.floats(1e-4, 1e4),
    rate=st.floats(1e-4, 1e4),
    delta=st.none() | st.floats(1e-3, 0.5),
    blocks=st.lists(st.integers(0, 9), max_size=9).map(tuple),
)
def test_what_a_refusal_advises_is_not_refused(
    hours: float, rate: float, delta: float | None, blocks: tuple[int, ...]
) -> None:
    made = calibration(hours, blocks)
    answer = made.threshold(rate, delta)
    if isinstance(answer, Refusal):
        advised = rate_carried(answer)
        assert isinstance(made.threshold(advised, delta), Threshold)
        assert advised <= 1.11 * answer.carried
        assert f"{advised:g}" == repr(advised).removesuffix(".0") or advised >= 1e6 or advised < 1e-4


@pytest.mark.parametrize(
    ("hours", "words", "up"),
    [
        (6.349, "6.3 hours", "6.4 hours"),
        (1.0, "1.0 hours", "1.0 hours"),
        (0.999, "59.9 minutes", "60.0 minutes"),
        (1 / 60, "1.0 minutes", "1.0 minutes"),
        (11.16 / 3600, "11.1 seconds", "11.2 seconds"),
        (0.01 / 3600, "0.0 seconds", "0.1 seconds"),
    ],
)
def test_times_are_in_the_largest_unit_that_they_fill(hours: float, words: str, up: str) -> None:
    assert duration(hours) == words
    assert duration(hours, up=True) == up
    assert duration(hours, SHORT).split()[1] in SHORT
