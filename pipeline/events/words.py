"""Events in words, for terminals and pages."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from pipeline.events.event import Box, Event, Peak

COLUMNS = ("event", "camera", "began", "lasted", "kind", "rarity", "where", "state")
_ROWS, _COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")


def rows(events: Iterable[Event]) -> list[list[str]]:
    """Events as rows of a table under `COLUMNS`."""
    return [
        [
            event.id,
            event.camera,
            _moment(event.start, event.start_seconds),
            "" if event.end_seconds is None else f"{event.end_seconds - event.start_seconds:.1f} s",
            event.kind.replace("_", " "),
            "" if event.peak is None else rarity(event.peak),
            "" if event.peak is None else place(event.peak),
            state(event),
        ]
        for event in events
    ]


def summary(event: Event) -> Iterator[str]:
    """How long an event lasted, how rare it was, where, and what became of it."""
    if event.end_seconds is not None:
        yield f"{hours(max(0.1, event.end_seconds - event.start_seconds) / 3600)} long"
    if event.peak is not None:
        yield rarity(event.peak)
        if where := place(event.peak):
            yield where
    if became := state(event):
        yield became


def rarity(peak: Peak) -> str:
    """How rare the strongest frame is, see `once_in`."""
    return once_in(peak.rarity_hours, censored=peak.censored)


def once_in(length: float, *, censored: bool) -> str:
    """A rarity in hours, such as `once in 3.2 h`; `once in more than 6.3 h` if nobody knows how much more."""
    return f"once in {'more than ' if censored else ''}{hours(length)}"


def hours(length: float) -> str:
    """A length of time in hours with two significant digits, in the unit that reads best: `12 s`, `3.2 h`."""
    for most, unit, count in ((1 / 60, "s", 3600.0), (1.0, "min", 60.0), (48.0, "h", 1.0)):
        if length < most:
            return f"{_two_digits(length * count)} {unit}"
    return f"{_two_digits(length / 24)} days"


def place(peak: Peak) -> str:
    """Where in the picture: the zone, or such as `upper left`; empty if it is not known."""
    if peak.zone is not None:
        return peak.zone
    return "" if peak.box is None else _third(peak.box)


def clock(seconds: float) -> str:
    """Seconds of a video as `0:41:07`, whole ones."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def _two_digits(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < 9.95 else f"{value:.0f}"


def _third(box: Box) -> str:
    left, top, width, height = box
    row = _ROWS[min(int((top + height / 2) * 3), 2)]
    column = _COLUMNS[min(int((left + width / 2) * 3), 2)]
    return "centre" if (row, column) == ("middle", "centre") else f"{row} {column}"


def _moment(time: datetime | None, seconds: float) -> str:
    return clock(seconds) if time is None else time.isoformat(" ", timespec="seconds")


def state(event: Event) -> str:
    """What became of an event and what was said of it; empty for one that is simply over."""
    states = {
        "goes on": event.type != "end",
        "interrupted": event.interrupted,
        "suppressed": event.suppressed,
        str(event.label): event.label is not None,
    }
    return ", ".join(state for state, holds in states.items() if holds)
