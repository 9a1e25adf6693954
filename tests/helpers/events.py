"""Events for tests."""

from datetime import UTC, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from pipeline.events.event import Event, Files, Kind, Model, Peak, Threshold, event_id
from pipeline.events.schema import KINDS, LABELS

MODEL = Model(checkpoint_sha256="5" * 64, version="0.1.0+src.3f2a9c71")
THRESHOLD = Threshold(evidence=7.5, alarms_per_hour=1.0, confidence=0.9, calibration_hours=6.3, profile="day")


def peak(**changes: Any) -> Peak:
    """A peak without a clock."""
    given: dict[str, Any] = {
        "time": None,
        "seconds": 2467.2,
        "frame": 61680,
        "evidence": 9.25,
        "local_error": -11.5,
        "rarity_hours": 6.3,
        "censored": True,
        "box": (0.125, 0.25, 0.25, 0.5),
        "zone": None,
    }
    return Peak(**{**given, **changes})


def event(number: int = 0, **changes: Any) -> Event:
    """The event of a file that begins at `10 * number` seconds."""
    start = 10.0 * number
    given: dict[str, Any] = {
        "id": event_id("yard.mp4", "c" * 64, "anomaly", start),
        "type": "end",
        "kind": "anomaly",
        "camera": "yard",
        "source": "videos/yard.mp4",
        "start": None,
        "end": None,
        "start_seconds": start,
        "end_seconds": start + 4.5,
        "peak": peak(seconds=start + 2),
        "threshold": THRESHOLD,
        "frames": 113,
        "max_gap_seconds": 0.04,
        "model": MODEL,
    }
    given = {**given, **changes}
    if given["type"] != "end":
        given |= {"end": None, "end_seconds": None}
    return Event(**given)


_FLOATS = st.floats(-1e9, 1e9)
_POSITIVE = st.floats(1e-6, 1e9)
_ZONES = (UTC, timezone(timedelta(hours=-3, minutes=-30)), timezone(timedelta(hours=14)))
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


def _files(folder: str) -> st.SearchStrategy[str]:
    return st.from_regex(rf"{folder}/[A-Za-z0-9_-][A-Za-z0-9._-]{{0,100}}", fullmatch=True)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Events of every kind and type, with and without a clock."""
    kind: Kind = draw(st.sampled_from(KINDS))
    is_over = draw(st.booleans())
    clock = st.datetimes(timezones=st.sampled_from(_ZONES))
    start = draw(st.none() | clock)
    begin = draw(st.floats(0, 1e8))
    left, top = draw(st.floats(0, 1)), draw(st.floats(0, 1))
    box = (left, top, (1 - left) * draw(st.floats(0, 1)), (1 - top) * draw(st.floats(0, 1)))
    strongest = peak(
        time=start,
        seconds=begin,
        frame=draw(st.integers(0, 2**53)),
        evidence=draw(_FLOATS),
        local_error=draw(_FLOATS),
        rarity_hours=draw(_POSITIVE),
        censored=draw(st.booleans()),
        box=draw(st.sampled_from([box, None])),
        zone=draw(st.none() | _TEXTS),
    )
    confidence = draw(st.none() | st.floats(0.01, 0.99))
    return Event(
        id=event_id(draw(_TEXTS), draw(st.text(max_size=5)), kind, begin if start is None else start),
        type="end" if is_over else draw(st.sampled_from(["new", "update"])),
        kind=kind,
        camera=draw(_TEXTS),
        source=draw(_TEXTS),
        start=start,
        end=start if is_over else None,
        start_seconds=begin,
        end_seconds=begin + draw(st.floats(0, 1e6)) if is_over else None,
        peak=strongest if kind == "anomaly" else draw(st.sampled_from([strongest, None])),
        threshold=draw(
            st.sampled_from([None, THRESHOLD])
            | st.builds(
                Threshold,
                evidence=_FLOATS,
                alarms_per_hour=_POSITIVE,
                confidence=st.just(confidence),
                calibration_hours=_POSITIVE,
                profile=st.none() | _TEXTS,
            )
        ),
        frames=draw(st.integers(0, 2**53)),
        max_gap_seconds=draw(st.floats(0, 1e6)),
        interrupted=draw(st.booleans()),
        suppressed=draw(st.booleans()),
        label=draw(st.sampled_from([None, *LABELS])),
        files=Files(clip=draw(st.none() | _files("clips")), thumbnail=draw(st.none() | _files("thumbs"))),
        model=MODEL,
    )
