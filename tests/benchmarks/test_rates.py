"""What benchmarks/rates.py reads and counts."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.events.log import writing
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.run import synthesize
from rates import Found, Span, matched, poisson_limit, read_alarms, read_planted, report
from shards.storage import Storage
from tests.helpers.events import event

EVENTS = (Span("a", 100, 104), Span("a", 200, 204), Span("b", 100, 104))


def test_the_limit_is_exceeded_with_at_most_five_in_a_hundred() -> None:
    assert [poisson_limit(mean) for mean in (1, 3, 6)] == [3, 6, 10]


@given(st.floats(0.1, 50))
def test_the_limit_is_the_smallest_such(mean: float) -> None:
    counts = np.random.default_rng(0).poisson(mean, 20_000)
    limit = poisson_limit(mean)
    assert (counts > limit).mean() < 0.06
    assert limit == 0 or (counts > limit - 1).mean() > 0.04


def test_an_alarm_is_of_the_event_in_view() -> None:
    alarms = [Span("a", 100.5, 107), Span("a", 199.5, 206), Span("b", 300, 302)]
    found = matched(EVENTS, alarms)
    assert found == Found(delays=(0.5, -0.5), missed=(EVENTS[2],), other=1)


def test_an_alarm_that_was_raised_long_before_or_after_finds_nothing() -> None:
    found = matched(EVENTS[:1], [Span("a", 90, 104), Span("a", 104, 110)])
    assert found == Found(delays=(), missed=EVENTS[:1], other=2)


def test_each_row_says_whether_it_was_reached() -> None:
    good = Found(delays=(0.5, 0.5, 1.5), missed=(), other=0)
    assert [row[3] for row in report(1, 6, 10, 3, good)] == ["kept", "reached", "reached", ""]
    bad = Found(delays=(1.5,), missed=EVENTS[1:], other=0)
    assert [row[3] for row in report(1, 6, 11, 3, bad)] == ["BROKEN", "MISSED", "MISSED", ""]
    none = Found(delays=(), missed=EVENTS, other=0)
    assert [row[3] for row in report(1, 6, 0, 3, none)] == ["kept", "MISSED", "MISSED", ""]


def test_planted_events_are_those_that_synthesize_lists(tmp_path: Path) -> None:
    out = tmp_path / "video"
    config = SynthesizeConfig(out=str(out), hours=(0, 0.25), events_per_hour=8, rate=1, size=(64, 64))
    synthesize(config)
    spans = read_planted(out)
    assert [span.video for span in spans] == ["0000h00"] * 2
    assert all(0 < span.start < span.end <= 900 for span in spans)


def test_alarms_are_the_events_of_each_video(tmp_path: Path) -> None:
    (tmp_path / "calm").mkdir()
    for name, events in (("busy", [event(1), event(5)]), ("calm", [])):
        with writing(Storage(tmp_path / name)) as log:
            for each in events:
                log.append(each)
            log.publish()
    assert read_alarms(tmp_path) == [
        Span("busy", 10.0, 14.5),
        Span("busy", 50.0, 54.5),
    ]
