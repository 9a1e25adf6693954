"""Cameras that are no cameras, and a status page of them."""

import contextlib
import json
import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
import urllib3

from pipeline.events.event import Event, Label
from pipeline.watch.address import Address
from pipeline.watch.view import Point, Snapshot, View
from pipeline.watch.web.server import Server, serving
from tests.helpers.events import event, peak

TOKEN = "correct-horse-battery"


def snapshot(**changes: Any) -> Snapshot:
    """An armed camera that is as usual."""
    given: dict[str, Any] = {
        "name": "yard",
        "source": "rtsp://192.0.2.7/stream",
        "state": "up",
        "reason": "",
        "words": "up",
        "time": datetime.now(UTC),
        "rarity_hours": 0.01,
        "censored": False,
        "alarm": False,
        "box": (0.5, 0.25, 0.2, 0.3),
        "least_hours": 0.005,
        "limit_hours": 2.1,
        "profile": None,
        "notes": (),
        "missing": None,
        "blocked": "",
        "learning": False,
        "promise": "With 90 % confidence there is at most one alarm per hour.",
        "drift": "",
        "minutes": (),
        "day": (),
        "rate": 25.0,
        "missed_rate": None,
        "scored": 1200,
        "skipped": 3,
        "latency_p50": 0.084,
        "latency_p95": 0.151,
        "reconnects": 1,
        "snoozed_until": None,
        "waiting_bytes": 0,
    }
    return Snapshot(**{**given, **changes})


def points(step: float, count: int, end: datetime, seed: int) -> tuple[Point, ...]:
    """A strip up to some time, with one alarm and a gap."""
    noise = np.random.default_rng(seed).gumbel(-1.0, 0.9, count)
    made = []
    for number in range(count):
        bump = 7 * math.exp(-(((number - 0.7 * count) / 6) ** 2))
        rarity = 0.01 * math.exp(noise[number] + bump)
        if not 0.3 < number / count < 0.35:
            made.append(
                Point(
                    start=end - timedelta(seconds=step * (count - number)),
                    rarity_hours=min(rarity, 6.3),
                    censored=rarity > 6.3,
                    alarm=rarity > 2.1,
                )
            )
    return tuple(made)


def jpeg(number: int, size: tuple[int, int] = (360, 640)) -> bytes:
    """A picture of one colour, which follows from its number, with the number on it."""
    height, width = size
    picture = np.full((height, width, 3), (number * 53 % 200, 90, 255 - number * 31 % 200), np.uint8)
    cv2.putText(picture, str(number), (40, height - 40), cv2.FONT_HERSHEY_SIMPLEX, 4, (255, 255, 255), 8)
    return cv2.imencode(".jpg", picture)[1].tobytes()


def live_event(number: int = 0, **changes: Any) -> Event:
    """An event of a camera, which has a clock."""
    start = datetime.now(UTC) - timedelta(minutes=7 * number + 1)
    given: dict[str, Any] = {
        "start": start,
        "end": start + timedelta(seconds=4.5),
        "peak": peak(time=start + timedelta(seconds=2), seconds=10.0 * number + 2),
    }
    return event(number, **{**given, **changes})


@dataclass
class FakeCamera:
    """A `view.Camera` whose parts a test sets."""

    folder: Path
    shown: Snapshot
    happened: list[Event]
    pictures: int = 0
    is_seen: bool = True
    looks: int = 0

    def snapshot(self) -> Snapshot:
        """What the test has set."""
        self.looks += 1
        return self.shown

    def picture(self, most: int) -> bytes | None:
        """Another one each time."""
        self.pictures += 1
        return jpeg(self.pictures) if self.is_seen else None

    def events(self) -> list[Event]:
        """What the test has set."""
        return list(self.happened)

    def snooze(self, seconds: float) -> None:
        """Write down that nobody is told."""
        until = datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None
        self.shown = replace(self.shown, snoozed_until=until)

    def label(self, event: str, label: Label | None) -> bool:
        """Write down what is said."""
        known = [each for each in self.happened if each.id == event]
        self.happened = [replace(each, label=label) if each.id == event else each for each in self.happened]
        return bool(known)


def fake(folder: Path, *, events: Sequence[Event] = (), **changes: Any) -> FakeCamera:
    """A camera with a folder that is there."""
    folder.mkdir(parents=True, exist_ok=True)
    return FakeCamera(folder, snapshot(**changes), list(events))


@contextlib.contextmanager
def page_of(cameras: Mapping[str, FakeCamera], token: str | None = None, port: int = 0) -> Iterator[Server]:
    """A status page of some cameras on loopback."""
    with serving(View(cameras), Address("127.0.0.1", port), token) as server:
        yield server
    assert "page" not in {thread.name for thread in threading.enumerate()}


def ask(
    server: Server,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    **more: Any,
) -> urllib3.BaseHTTPResponse:
    """A request, whose redirects are not followed; a form is posted as a browser does."""
    own = dict(headers or {})
    if form is not None:
        own.setdefault("Origin", server.url.rstrip("/"))
        more |= {"fields": dict(form), "encode_multipart": False}
    method = more.pop("method", "GET" if form is None else "POST")
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request(
            method, server.url.rstrip("/") + path, headers=own, redirect=False, timeout=20, **more
        )


@contextlib.contextmanager
def streamed(server: Server, path: str, **headers: str) -> Iterator[urllib3.BaseHTTPResponse]:
    """An answer that goes on, which is left at the end of the block."""
    parts = urlsplit(server.url)
    with urllib3.HTTPConnectionPool(parts.hostname or "", parts.port, retries=False, timeout=20) as pool:
        answer = pool.request("GET", path, headers=headers, preload_content=False)
        try:
            yield answer
        finally:
            answer.close()


def messages(answer: urllib3.BaseHTTPResponse) -> Iterator[tuple[str, Any]]:
    """Server-sent events: their kinds and their values."""
    lines = (line.decode().rstrip("\n") for line in answer)
    kind = ""
    for line in lines:
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield kind, json.loads(line.removeprefix("data: "))
