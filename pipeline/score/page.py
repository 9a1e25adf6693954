"""The page of a scored video: what was found, its curve and its events, one HTML file without scripts."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from pipeline.events.event import Event, Peak
from pipeline.events.words import clock, hours, place, summary
from pipeline.report.document import document, tiles
from pipeline.report.timeplot import Stretch, time_plot
from pipeline.score.axes import decibels, rarities
from pipeline.score.curve import Curve
from pipeline.score.record import Result
from shards.storage import Storage

PAGE = "report.html"
_MOST_PICTURES = 100
_MOST_THUMBNAIL = 1 << 20
"""Bytes; its pixels, 480x480 at most, take 0.7 MB."""
"""Of the strongest events, 30 kB each; the others are listed."""


@dataclass(frozen=True, kw_only=True)
class Standard:
    """What a calibrated video is held against.

    Attributes:
        promise: of the calibration, in words; None where it carries none, and no alarm is raised.
        alarms_per_hour: at most; None without a promise.
        least_hours: the least rarity that can be told.
        limits: the rarity that opens an alarm, by the profile of the frame; none without a promise.
        hours: of the calibration: nobody can tell how rare something rarer is.
    """

    promise: str | None
    alarms_per_hour: float | None
    least_hours: float
    limits: Mapping[str | None, float]
    hours: float


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a page shows.

    Attributes:
        name, source: of the video.
        result: of scoring it.
        events: in order.
        curve: of the whole video.
        standard: None without a calibration.
        overlay: name of the overlay beside the page; None if there is none.
    """

    name: str
    source: str
    result: Result
    events: Sequence[Event]
    curve: Curve
    standard: Standard | None
    overlay: str | None


def render(shown: Shown, folder: Storage) -> str:
    """The page; thumbnails are read from the folder of the results."""
    return document(shown.name, [*_head(shown), *_curve(shown), *_events(shown, folder), *_promise(shown)])


def _head(shown: Shown) -> Iterator[str]:
    yield f'<h1>{escape(shown.name)}</h1>\n<p class="muted">{escape(shown.source)}</p>'
    yield tiles(_figures(shown))
    if shown.standard is None:
        yield (
            '<p class="note">Not calibrated, so no alarm could be raised. Once <code>calibrate</code> has '
            "seen normal video of this camera, <code>score</code> says how rare each moment is, and raises "
            "alarms at a stated rate.</p>"
        )
    elif shown.standard.promise is None:
        yield (
            '<p class="note">The calibration has too few hours for the rate that it was made for, so no '
            "alarm could be raised. More normal video adds to it: <code>calibrate --add</code>.</p>"
        )
    for note in shown.result.notes:
        yield f'<p class="note">{escape(note)}</p>'


def _figures(shown: Shown) -> Iterator[tuple[str, str, str]]:
    """Value, name and remark of what a reader wants to know first."""
    result, standard, curve = shown.result, shown.standard, shown.curve
    count = len(shown.events)
    if standard is None or standard.alarms_per_hour is None:
        missing = "calibrated" if standard is None else "calibrated long enough"
        yield "\N{EN DASH}", "events", f"not {missing}"
    else:
        most = f"at most {standard.alarms_per_hour:g} expected per hour of normal video"
        yield str(count), "event" if count == 1 else "events", most
    peak = max(_peaks(shown.events), key=lambda peak: peak.evidence, default=None)
    if peak is not None:
        where = place(peak)
        length = f"{'> ' if peak.censored else ''}{hours(peak.rarity_hours)}"
        yield length, "rarity of the strongest", f"at {clock(peak.seconds)}{f', {where}' if where else ''}"
    yield clock(result.seconds), "of video", f"{result.frames:,} frames scored"
    if curve.gaps:
        lost = f"{hours(curve.gap_seconds / 3600)} without a score"
        yield str(curve.gaps), "gap" if curve.gaps == 1 else "gaps", lost
    if took := result.took.total:
        times = f"{result.seconds / took:.2g} × real time"  # noqa: RUF001, the sign for times
        yield f"{result.frames / took:.3g}", "frames per second", times


def _peaks(events: Sequence[Event]) -> list[Peak]:
    """The strongest frames of events that have one."""
    return [event.peak for event in events if event.peak is not None]


def _curve(shown: Shown) -> Iterator[str]:
    runs, standard = list(shown.curve.runs()), shown.standard
    if not runs:
        return
    heights = [found for run in runs for _, found in run]
    if standard is None:
        axis = decibels(heights)
    else:
        axis = rarities(
            heights,
            least_hours=standard.least_hours,
            limits=standard.limits,
            most_hours=standard.hours,
        )
    length = max(shown.result.seconds, runs[-1][-1][0])
    meanings = "".join(f'<span><i class="{kind}"></i>{escape(text)}</span>' for kind, text in axis.legend)
    if shown.curve.gaps:
        meanings += '<span><i class="unseen"></i>no score</span>'
    yield f'<h2>{axis.title} over time</h2>\n<div class="legend muted">{meanings}</div>'
    yield time_plot(
        [[(seconds, axis.up(found)) for seconds, found in run] for run in runs],
        length=length,
        label=f"{axis.title} over time",
        marks=axis.marks,
        stretches=[
            Stretch(
                start=event.start_seconds,
                end=length if event.end_seconds is None else event.end_seconds,
                text=" · ".join((clock(event.start_seconds), *summary(event))),
                target=event.id,
            )
            for event in shown.events
        ],
        beyond=axis.beyond,
    )
    if shown.overlay is not None:
        yield (
            f'<p class="muted">The whole video with heat over what is unusual: '
            f'<a href="{_link(shown.overlay)}">{escape(shown.overlay)}</a> beside this page.</p>'
        )


def _events(shown: Shown, folder: Storage) -> Iterator[str]:
    if not shown.events:
        return
    strongest = sorted((peak.evidence for peak in _peaks(shown.events)), reverse=True)[:_MOST_PICTURES]
    yield '<h2>Events</h2>\n<div class="cards">'
    for event in shown.events:
        peak, files = event.peak, event.files
        yield f'<article class="card" id="{escape(event.id)}">'
        if files.thumbnail is not None and peak is not None and peak.evidence >= strongest[-1]:
            data = base64.b64encode(folder.read(files.thumbnail, most=_MOST_THUMBNAIL)).decode()
            alt = f"the strongest frame, at {clock(peak.seconds)}"
            yield f'<img alt="{alt}" loading="lazy" src="data:image/jpeg;base64,{data}">'
        clip = "" if files.clip is None else f' · <a href="{_link(files.clip)}">clip</a>'
        words = escape(" · ".join(summary(event)))
        yield f"<h3>{clock(event.start_seconds)}</h3><p>{words}{clip}</p></article>"
    yield "</div>"


def _promise(shown: Shown) -> Iterator[str]:
    if shown.standard is not None and shown.standard.promise is not None:
        yield f"<h2>What an alarm means</h2>\n<p>{escape(shown.standard.promise)}</p>"
        drift = shown.result.drift
        if drift is not None and drift.words:
            kind = "muted" if drift.verdict == "ok" else "note"
            yield f'<p class="{kind}">Drift since the calibration: {escape(drift.words)}.</p>'


def _link(name: str) -> str:
    """A file beside the page, as the value of an attribute."""
    return escape(quote(name))
