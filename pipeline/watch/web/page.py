"""The pages as HTML. What changes while one looks at them are parts with an id, of which they are made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from urllib.parse import quote

from pipeline.events.event import Event
from pipeline.events.schema import LABELS
from pipeline.events.words import clock, hours, summary
from pipeline.report.document import document, tiles
from pipeline.watch.view import Snapshot, View
from pipeline.watch.web.files import Part, file_of
from pipeline.watch.web.standing import moment, standing
from pipeline.watch.web.strips import DAY, MINUTES, Span, strip
from shards.text import plain

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'"
)
"""The content security policy of all pages."""
SNOOZES = {900: "15 min", 3600: "1 h", 8 * 3600: "8 h", 24 * 3600: "24 h"}
"""Seconds that the page offers to tell nobody, and their names."""
_HEAD = '<script src="/page.js" defer></script><noscript><meta http-equiv="refresh" content="30"></noscript>'
_MOST_LIVE = 3
"""Cameras on one page whose pictures are streams: browsers open six connections to a server, and no more."""
_MOST_CARDS = {True: 60, False: 12}
"""Events on the page of one camera, and on that of all."""
_NORMAL = "What was called normal keeps its clip, and counts in the calibration once feedback has been run."
_LOST = '<p id="lost" class="note warn" hidden>No connection to the watch; what is shown here is old.</p>'

Parts = Mapping[str, str]
"""HTML by the id of the element that holds it."""


@dataclass(frozen=True)
class _Found:
    """An event, the camera whose it is, and the folder with its files."""

    camera: str
    event: Event
    folder: Path

    def has(self, part: Part) -> bool:
        """Whether one of its files is there still."""
        return file_of(self.folder, self.event, part) is not None


def overview(view: View) -> str:
    """The page of all cameras."""
    made = parts(view, None)
    is_live = len(view.cameras) <= _MOST_LIVE
    body = ["<h1>Cameras</h1>", _LOST, '<div class="cameras" data-stream="/stream">']
    for name in view.cameras:
        link = f'<a href="{address(name)}">{text(name)}</a>'
        body += [
            '<article class="card camera">',
            _picture(name, made, is_live=is_live),
            f"<h3>{link}</h3>",
            _part(f"{name}-now", made),
            _part(f"{name}-minutes", made),
            "</article>",
        ]
    body += ["</div>", "<h2>Events</h2>", _part("events", made)]
    return document("Cameras", body, policy=POLICY, head=_HEAD)


def camera_page(view: View, name: str) -> str:
    """The page of one camera.

    Raises:
        KeyError: there is no such camera.
    """
    snapshot, made = view.snapshot(name), parts(view, name)
    up = '<p class="muted"><a href="/">all cameras</a></p>' if len(view.cameras) > 1 else ""
    body = [
        f'{up}<h1>{text(name)}</h1>\n<p class="muted">{text(snapshot.source)}</p>',
        _LOST,
        f'<div class="camera" data-stream="/stream?camera={quote(name)}">',
        _part(f"{name}-now", made),
        _picture(name, made, is_live=True),
        *(_part(f"{name}-{part}", made) for part in ("figures", "minutes", "day", "snooze")),
        "</div>",
        "<h2>Events</h2>",
        _part("events", made),
    ]
    if snapshot.promise is not None:
        of = "" if snapshot.profile is None else f" ({text(snapshot.profile)})"
        body.append(f"<h2>What an alarm means{of}</h2>\n<p>{text(snapshot.promise)}</p>")
    return document(name, body, policy=POLICY, head=_HEAD)


def login_page(*, was_wrong: bool) -> str:
    """The page that asks for the token."""
    wrong = '<p class="note warn">This is not the token.</p>' if was_wrong else ""
    form = (
        '<form method="post" action="/login" class="actions">'
        '<label for="token">Token</label> '
        '<input id="token" name="token" type="password" autocomplete="current-password" required autofocus> '
        "<button>Open</button></form>"
    )
    return document("Cameras", ["<h1>Cameras</h1>", wrong, form], policy=POLICY)


def parts(view: View, only: str | None) -> Parts:
    """What changes of the page of one camera, or of that of all.

    Raises:
        KeyError: there is no such camera.
    """
    made: dict[str, str] = {}
    found: list[_Found] = []
    for name in view.cameras if only is None else (only,):
        snapshot, events = view.snapshot(name), view.events(name)
        made |= _camera_parts(name, snapshot, events)
        found += [_Found(name, event, view.folder(name)) for event in events]
    if only is None:
        found.sort(key=lambda each: _when(each.event), reverse=True)
    made["events"] = "".join(_events(found[: _MOST_CARDS[only is not None]], is_named=only is None))
    return made


def address(camera: str) -> str:
    """The path of a camera's page, as the value of an attribute."""
    return f"/cameras/{escape(quote(camera, safe=''))}"


def text(foreign: str) -> str:
    """Text that somebody else has written, as HTML."""
    return escape(plain(foreign))


def _camera_parts(name: str, snapshot: Snapshot, events: list[Event]) -> dict[str, str]:
    now = snapshot.time if snapshot.state == "ended" and snapshot.time else datetime.now(UTC)
    return {
        f"{name}-place": _place(snapshot),
        f"{name}-now": "".join(_now(snapshot, events)),
        f"{name}-figures": tiles(_figures(snapshot)),
        f"{name}-minutes": _strip(MINUTES, snapshot, now),
        f"{name}-day": _strip(DAY, snapshot, now),
        f"{name}-snooze": "".join(_snooze(name, snapshot)),
    }


def _part(key: str, made: Parts) -> str:
    return f'<div id="{escape(key)}">{made[key]}</div>'


def _picture(name: str, made: Parts, *, is_live: bool) -> str:
    kind = "live" if is_live else "picture"
    return (
        f'<div class="view"><img alt="what {text(name)} sees" data-kind="{kind}" '
        f'src="{address(name)}/{kind}">{_part(f"{name}-place", made)}</div>'
    )


def _place(snapshot: Snapshot) -> str:
    """Where in the picture the alarm is."""
    if not snapshot.alarm or snapshot.box is None:
        return ""
    left, top, width, height = (100 * part for part in snapshot.box)
    style = f"left:{left:.1f}%;top:{top:.1f}%;width:{width:.1f}%;height:{height:.1f}%"
    return f'<div class="place" style="{style}"></div>'


def _now(snapshot: Snapshot, events: Iterable[Event]) -> Iterator[str]:
    words = "".join(
        f'<span class="word {word.weight}">{text(word.text)}</span>' for word in standing(snapshot, events)
    )
    yield f'<p class="words {snapshot.state}">{words}</p>'
    drift = f"Drift: {snapshot.drift}" if snapshot.drift else ""
    lines = [snapshot.reason, snapshot.missing or "", *snapshot.notes, drift, snapshot.unwritten]
    yield "".join(f'<p class="muted">{text(line)}</p>' for line in lines if line)


def _figures(snapshot: Snapshot) -> Iterator[tuple[str, str, str]]:
    """Value, name and remark of what a reader wants to know first."""
    nothing = "\N{EN DASH}"
    if snapshot.limit_hours is not None:
        rarity = nothing
        if snapshot.rarity_hours is not None:
            rarity = f"{'> ' if snapshot.censored else ''}{hours(snapshot.rarity_hours)}"
        yield rarity, "rarity now", f"an alarm from {hours(snapshot.limit_hours)} on"
    if snapshot.latency_p50 is None or snapshot.latency_p95 is None:
        yield nothing, "latency", "no frame was scored"
    else:
        remark = f"95 % within {1000 * snapshot.latency_p95:.0f} ms"
        yield f"{1000 * snapshot.latency_p50:.0f} ms", "latency", remark
    rate = nothing if snapshot.rate is None else f"{snapshot.rate:.3g}"
    missed = snapshot.missed_rate
    remark = f"{snapshot.scored:,} scored" if missed is None else f"not the {missed:.3g} of the model"
    yield rate, "frames per second", remark
    total = snapshot.scored + snapshot.skipped
    share = f"{100 * snapshot.skipped / total:.1f} % of all" if total else ""
    yield f"{snapshot.skipped:,}", "skipped", share
    yield f"{snapshot.reconnects:,}", "reconnects", "since the start"
    if snapshot.waiting_bytes:
        yield f"{snapshot.waiting_bytes / 1000:.1f} kB", "of messages wait", "to be delivered"
    if snapshot.left_out:
        yield f"{snapshot.left_out:,}", "messages left out", "a receiver refused them"


def _strip(span: Span, snapshot: Snapshot, now: datetime) -> str:
    points = snapshot.minutes if span is MINUTES else snapshot.day
    if snapshot.least_hours is None or snapshot.limit_hours is None:
        return ""
    drawn = strip(span, points, now, snapshot.least_hours, snapshot.limit_hours, "events")
    return f'<div class="strip"><p class="muted">Rarity, {span.title}</p>{drawn}</div>'


def _snooze(name: str, snapshot: Snapshot) -> Iterator[str]:
    yield f'<form method="post" action="{address(name)}/snooze" class="actions"><span>Tell nobody for</span>'
    for seconds, word in SNOOZES.items():
        yield f'<button id="{escape(name)}-snooze-{seconds}" name="seconds" value="{seconds}">{word}</button>'
    if snapshot.snoozed_until is not None:
        until = moment(snapshot.snoozed_until)
        yield f'<button id="{escape(name)}-snooze-0" name="seconds" value="0">tell again</button>'
        yield f"<span>Nobody is told until {until}.</span>"
    yield "</form>"


def _events(found: Sequence[_Found], *, is_named: bool) -> Iterator[str]:
    cards = [piece for each in found for piece in _card(each, is_named=is_named)]
    if not cards:
        yield '<p class="muted">None so far.</p>'
        return
    yield from ('<div class="cards">', *cards, "</div>")
    if any(each.event.label == "normal" for each in found):
        yield f'<p class="muted">{_NORMAL}</p>'


def _card(found: _Found, *, is_named: bool) -> Iterator[str]:
    name, event = found.camera, found.event
    here = f"{address(name)}/events/{event.id}"
    is_open = event.type != "end"
    yield f'<article class="card{" open" if is_open else ""}" id="{event.id}">'
    if found.has("thumbnail"):
        when = "" if event.peak is None else f" after {clock(event.peak.seconds)}"
        yield f'<img alt="the strongest frame{when}" loading="lazy" src="{here}/thumbnail">'
    began = clock(event.start_seconds) if event.start is None else moment(event.start)
    yield f"<h3>{began}{f' · {text(name)}' if is_named else ''}</h3>"
    kind = [] if event.kind == "anomaly" else [event.kind.replace("_", " ")]
    clip = f' · <a href="{here}/clip">clip</a>' if found.has("clip") else ""
    yield f"<p>{text(' · '.join((*kind, *summary(event))))}{clip}</p>"
    if event.kind == "anomaly":
        yield f'<form method="post" action="{here}/label" class="actions">'
        for label in LABELS:
            is_said = event.label == label
            yield (
                f'<button id="{event.id}-{label}" name="label" value="{"" if is_said else label}" '
                f'aria-pressed="{"true" if is_said else "false"}">{label}</button>'
            )
        yield "</form>"
    yield "</article>"


def _when(event: Event) -> tuple[bool, float]:
    """What events of several cameras are ordered by; those of files, which have no clock, come first."""
    return (False, event.start_seconds) if event.start is None else (True, event.start.timestamp())
