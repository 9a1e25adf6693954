"""The strips of a camera: how rare its last minutes and its last day were."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.events.scale import height, round_marks
from pipeline.events.words import hours
from pipeline.report.timeplot import Mark, Stretch, time_plot
from pipeline.watch.view import Point

_USUAL, _BEYOND = 0.05, 0.95
"""How high lies what is usual, and what is rarer than the calibration can tell."""
_ABOVE = 4.0
"""Times the rarity that opens an alarm, at which the scale ends."""
_APART = 0.25
"""The least distance between two names, as a share of the strip's scale."""


@dataclass(frozen=True)
class Span:
    """What a strip shows.

    Attributes:
        title: of the strip.
        seconds: of all of it.
        step: seconds of each of its points.
        named: seconds between two times that are named.
    """

    title: str
    seconds: int
    step: int
    named: int


MINUTES = Span("the last 10 minutes", 600, 2, 120)
DAY = Span("the last 24 hours", 86400, 300, 14400)


def strip(
    span: Span, points: tuple[Point, ...], now: datetime, least: float, limit: float, target: str
) -> str:
    """A strip as HTML.

    Args:
        span: what it shows.
        points: oldest first.
        now: at its right end.
        least, limit: the rarity of all that is usual, and the one that opens an alarm; hours.
        target: id of the element that alarms lead to.
    """
    end = datetime.fromtimestamp(now.timestamp() // span.step * span.step + span.step, now.tzinfo)
    return _drawn(span, points, end, least, limit, target)


@functools.lru_cache(maxsize=64)
def _drawn(
    span: Span, points: tuple[Point, ...], end: datetime, least: float, limit: float, target: str
) -> str:
    start = end - timedelta(seconds=span.seconds)
    low, high = least / 2, max(limit, least) * _ABOVE
    runs = list(_runs(span, points, start, low, high))
    alarms = [
        Stretch(start=begin, end=over, text="alarm", target=target)
        for begin, over in _alarms(span, points, start)
    ]
    marks = [
        Mark(height=_USUAL, text="usual"),
        *(
            Mark(height=_place(mark, low, high), text=hours(mark))
            for mark in round_marks(low, high, [low, limit], _APART)
        ),
        Mark(height=_place(limit, low, high), text=hours(limit), is_limit=True),
    ]
    return time_plot(
        runs,
        length=span.seconds,
        label=f"rarity over {span.title}",
        marks=marks,
        stretches=alarms,
        times=list(_times(span, start, end)),
        is_whole=True,
    )


def _runs(
    span: Span, points: tuple[Point, ...], start: datetime, low: float, high: float
) -> Iterator[list[tuple[float, float]]]:
    """Points without a break between them, each as the two ends of a step."""
    run: list[tuple[float, float]] = []
    for at, over, point in _steps(span, points, start):
        if point.rarity_hours is None or (run and at > run[-1][0]):
            if run:
                yield run
            run = []
        if point.rarity_hours is not None:
            up = _BEYOND if point.censored else _place(point.rarity_hours, low, high)
            run += [(at, up), (over, up)]
    if run:
        yield run


def _alarms(span: Span, points: tuple[Point, ...], start: datetime) -> list[tuple[float, float]]:
    """From when to when there was an alarm."""
    found: list[tuple[float, float]] = []
    for at, over, point in _steps(span, points, start):
        if point.alarm and found and found[-1][1] == at:
            found[-1] = found[-1][0], over
        elif point.alarm:
            found.append((at, over))
    return found


def _steps(span: Span, points: tuple[Point, ...], start: datetime) -> Iterator[tuple[float, float, Point]]:
    """Points with seconds since the start; one lasts to the next unless that is long after it."""
    for number, point in enumerate(points):
        at, after = (point.start - start).total_seconds(), float(span.step)
        if number + 1 < len(points):
            apart = (points[number + 1].start - point.start).total_seconds()
            after = apart if apart <= 2 * span.step else after
        if at + after > 0 and at < span.seconds:
            yield max(0.0, at), min(at + after, float(span.seconds)), point


def _place(rarity: float, low: float, high: float) -> float:
    return _USUAL + (_BEYOND - _USUAL) * height(rarity, low, high)


def _times(span: Span, start: datetime, end: datetime) -> Iterator[tuple[float, str]]:
    """Round times of the clock of this machine within a strip, and their names."""
    shift = (end.astimezone().utcoffset() or timedelta()).total_seconds()
    first = -(-(start.timestamp() + shift) // span.named) * span.named - shift
    for number in range(span.seconds // span.named + 1):
        time = first + number * span.named
        if time <= end.timestamp():
            yield time - start.timestamp(), datetime.fromtimestamp(time).strftime("%H:%M")
