"""Events as JSON: nothing is lost, nothing false gets in, and the schema says the same as the reader."""

import dataclasses
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.events.event import Event, event_id, from_json, to_json
from pipeline.events.schema import SCHEMA
from tests.helpers.events import event, events, peak
from tests.helpers.mutation import mutated_bytes, mutated_json

ROOT = Path(__file__).parent.parent.parent
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
NOON = datetime(2026, 3, 4, 12, tzinfo=timezone(timedelta(hours=1)))
LIVE = event(start=NOON, end=NOON + timedelta(seconds=4), peak=peak(time=NOON))


@settings(deadline=None)
@given(events())
def test_json_gives_the_event_again_in_one_line_that_fits_the_schema(one: Event) -> None:
    line = to_json(one)
    assert "\n" not in line
    assert from_json(line.encode(), "log") == one
    VALIDATOR.validate(json.loads(line))


@settings(max_examples=1000, deadline=None)
@given(mutated_json(LIVE.record()))
def test_the_reader_takes_nothing_that_the_schema_refuses(data: bytes) -> None:
    try:
        read = from_json(data, "events.jsonl line 3")
    except SourceError as error:
        assert re.fullmatch(r"events\.jsonl line 3: not an event \([^\n]+\); remove .*", str(error))
    else:
        assert VALIDATOR.is_valid(json.loads(data))
        assert from_json(to_json(read).encode(), "") == read


@settings(max_examples=1000, deadline=None)
@given(mutated_json(LIVE.record()))
def test_the_reader_refuses_nothing_that_the_schema_takes_but_contradictions(data: bytes) -> None:
    try:
        is_valid = VALIDATOR.is_valid(json.loads(data))
    except (RecursionError, ValueError):
        return
    if is_valid:
        try:
            from_json(data, "log")
        except SourceError as error:
            assert re.search(
                r"with end|before start|anomaly without|with peak\.time|inside the picture"
                r"|surrogate|finite|64 bits",
                str(error),
            )


@settings(max_examples=1000, deadline=None)
@given(mutated_bytes(to_json(LIVE).encode()))
def test_damaged_bytes_are_an_event_or_one_line(data: bytes) -> None:
    try:
        read = from_json(data, "log")
    except SourceError as error:
        assert str(error).startswith("log: not an event (")
        assert "\n" not in str(error)
    else:
        assert VALIDATOR.is_valid(json.loads(to_json(read)))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("version", 2, "found version 2, expected 1"),
        ("version", True, "found version True, expected 1"),
        ("id", "../../x", "found id '../../x', expected what matches"),
        ("id", "0123456789abcdef\n", "found id '0123456789abcdef\\n', expected what matches"),
        ("type", "begin", "found type 'begin', expected new or update or end"),
        ("label", "", "found label '', expected normal or real or null"),
        ("frames", 1.0, "found frames 1.0, expected integer"),
        ("frames", -1, "found frames -1, expected at least 0"),
        ("frames", True, "found frames True, expected integer"),
        ("start", "2026-03-04T12:00:00", "expected what matches"),
        ("start", "2026-02-30T12:00:00Z", "day"),
        ("end_seconds", 1.0, "found end_seconds 1.0 before start_seconds 30.0"),
        ("end_seconds", None, "found type 'end' with end_seconds None"),
        ("peak", None, "found an anomaly without a peak"),
        ("peak.box", [0.5, 0.5, 0.6, 0.1], "expected one inside the picture"),
        ("peak.box", [0.5, 0.5, 0.1], "found peak.box of 3 entries, expected 4"),
        ("peak.box", [0.5, 0.5, 0.1, "x"], r"found peak.box[3] 'x', expected number"),
        ("peak.rarity_hours", 0, "found peak.rarity_hours 0, expected more than 0"),
        ("peak.time", None, "with peak.time None, expected both or none"),
        ("threshold.confidence", 1, "found threshold.confidence 1, expected less than 1"),
        ("camera", "", "found camera '', expected 1 to 4096 characters"),
        ("files", {"clip": None}, "found files without thumbnail, expected one"),
        ("files", {"clip": None, "thumbnail": None, "x": 1}, "found 'x' in files, expected no such entry"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: object, message: str) -> None:
    good = event(3, start=NOON, end=NOON, peak=peak(time=NOON)).record()
    inner = good
    *above, last = path.split(".")
    for key in above:
        inner = inner[key]
    inner[last] = value
    with pytest.raises(SourceError, match=re.escape(message)):
        from_json(json.dumps(good).encode(), "log")


def test_a_hostile_line_is_one_line_and_short() -> None:
    for data in (b"[" * 50_000, b'{"a":1,"a":2}', b"1e999", b"\xff", b"", b"x" * (1 << 17), b"[]", b"null"):
        with pytest.raises(SourceError) as error:
            from_json(data, "log")
        assert len(str(error.value)) < 300
        assert "\n" not in str(error.value)


def test_an_event_that_cannot_be_is_not_made() -> None:
    with pytest.raises(ValueError, match="found frames -1, expected at least 0"):
        dataclasses.replace(LIVE, frames=-1)
    with pytest.raises(ValueError, match=r"found peak\.evidence nan, expected a finite number"):
        event(peak=peak(evidence=float("nan")))


def test_no_password_gets_into_an_event() -> None:
    made = event(source="rtsp://admin:geheim@cam.example/stream?token=abc#x")
    assert made.source == "rtsp://cam.example/stream"
    assert "geheim" not in to_json(made)
    foreign = {**made.record(), "source": "rtsp://admin:geheim@cam.example/stream"}
    assert "geheim" not in to_json(from_json(json.dumps(foreign).encode(), "log"))


@settings(deadline=None)
@given(st.floats(0, 1e7), st.floats(0.002, 100))
def test_ids_are_those_of_a_repeated_run_and_of_nothing_else(start: float, later: float) -> None:
    one = event_id("yard", "c", "anomaly", start)
    assert one == event_id("yard", "c", "anomaly", start)
    others = [
        event_id("gate", "c", "anomaly", start),
        event_id("yard", "d", "anomaly", start),
        event_id("yardc", "", "anomaly", start),
        event_id("yard", "c", "frozen", start),
        event_id("yard", "c", "anomaly", start + later),
        event_id("yard", "c", "anomaly", datetime.fromtimestamp(start, UTC)),
    ]
    assert len({one, *others}) == 7


def test_an_id_is_that_of_the_moment_in_whatever_zone() -> None:
    assert event_id("a", "", "frozen", NOON) == event_id("a", "", "frozen", NOON.astimezone(UTC))


def test_the_id_stays_what_it_was() -> None:
    assert event_id("yard", "c" * 64, "anomaly", 12.34) == "fac4d853ea563c91"


def test_the_documentation_shows_this_schema_and_an_event_that_fits_it() -> None:
    example, shown = re.findall(r"```json\n(.*?)```", (ROOT / "docs/events.md").read_text(), re.DOTALL)
    assert json.loads(shown) == SCHEMA
    VALIDATOR.validate(json.loads(example))
    assert from_json(example.encode(), "docs").record() == json.loads(example)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
