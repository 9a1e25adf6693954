"""A camera as others see it while it runs: the thread that scores shows, any thread looks and asks."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from mnad.local_error import Place
from pipeline.events.event import Event, Label
from pipeline.events.log import RECENT
from pipeline.events.words import once_in
from pipeline.scoring.alarms import Alarms
from pipeline.scoring.telling import known
from pipeline.scoring.watching import Watched
from pipeline.video.images import encode_jpeg
from pipeline.watch.disk import Disk
from pipeline.watch.feed import Feed
from pipeline.watch.strip import Strip
from pipeline.watch.view import Snapshot

_LATENCIES = 1000


class Face:
    """One camera; a `view.Camera`.

    Args:
        name, source: of the camera.
        folder: of its results.
        feed: of its pictures.
        skipped: gives how many windows were skipped.
        events: that its log knows.
    """

    def __init__(
        self,
        name: str,
        source: str,
        folder: Path,
        feed: Feed,
        skipped: Callable[[], int],
        events: list[Event],
    ) -> None:
        self.name, self.source, self.folder = name, source, folder
        self._feed, self._skipped = feed, skipped
        self._lock = threading.Lock()
        self._known = {event.id: event for event in events}
        self._minutes, self._day = Strip(2, 300), Strip(300, 288)
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._time: datetime | None = None
        self._watched: Watched | None = None
        self._place: Place | None = None
        self._alarms: Alarms | None = None
        self._profile: str | None = None
        self._missing: str | None = None
        self._scored = self._alarms_raised = 0
        self._snoozed: datetime | None = None
        self._asked: queue.SimpleQueue[tuple[Event, Label | None]] = queue.SimpleQueue()
        self._is_closed = False
        self.blocked = ""
        """Why no alarm is raised at present, or nobody told of one, or empty."""
        self.remarks: tuple[str, ...] = ()
        """What else must be known of the camera at present."""
        self.drift = ""
        self.is_learning = False
        self.waiting_bytes = self.left_out = 0
        self.disk: Disk | None = None

    def arm(self, alarms: Alarms | None, missing: str | None) -> None:
        """Say what frames are held against from now on, and why no alarm is raised, if none is."""
        self._alarms, self._missing = alarms, missing

    def saw(
        self, watched: Watched, place: Place, profile: str | None, time: datetime, latency: float
    ) -> None:
        """Show a frame that was scored."""
        rarity = known(watched.rarity_hours)
        with self._lock:
            self._watched, self._place, self._time, self._profile = watched, place, time, profile
            self._scored += 1
            self._latencies.append(latency)
            for strip in (self._minutes, self._day):
                strip.push(time, rarity, censored=watched.is_censored, alarm=watched.alarm)

    def lost(self) -> None:
        """Show that nothing is known of what the camera sees now."""
        with self._lock:
            self._watched = self._place = None

    @property
    def skipped(self) -> int:
        """Windows that were skipped so far."""
        return self._skipped()

    def told(self, event: Event, known: Iterable[Event]) -> None:
        """Show what has become of an event.

        Args:
            event: it.
            known: all that the log knows, for of nothing else can be written down what a person says.
        """
        with self._lock:
            self._alarms_raised += event.kind == "anomaly" and event.id not in self._known
            self._known = {each.id: each for each in known}

    def close(self) -> None:
        """Refuse labels from now on: nobody would write them down."""
        with self._lock:
            self._is_closed = True

    def asked(self) -> list[tuple[Event, Label | None]]:
        """What persons have said of events since the last call, with each event as it was then."""
        found = []
        while not self._asked.empty():
            found.append(self._asked.get_nowait())
        return found

    @property
    def is_snoozed(self) -> bool:
        """Whether nobody is to be told of an event that begins now."""
        return self._snoozed_until is not None

    @property
    def _snoozed_until(self) -> datetime | None:
        until = self._snoozed  # once: another thread may end it between a look and the next
        return until if until is not None and datetime.now(UTC) < until else None

    def snapshot(self) -> Snapshot:
        """As it is now."""
        skipped = self._skipped()
        feed, every = self._feed, self._alarms
        with self._lock:
            alarms = None if every is None else every.of(self._profile)
            watched, place = self._watched, self._place
            latencies = np.sort(np.array(self._latencies))
            snapshot = Snapshot(
                name=self.name,
                source=self.source,
                state=feed.state,
                reason=feed.reason,
                words=self._words(skipped),
                time=self._time,
                rarity_hours=None if watched is None else known(watched.rarity_hours),
                censored=watched is not None and watched.is_censored,
                alarm=watched is not None and watched.alarm,
                box=None if place is None else place.box,
                least_hours=None if alarms is None else alarms.least_hours,
                limit_hours=None if alarms is None else alarms.limit_hours,
                profile=self._profile if every is not None and every.profiles else None,
                notes=self._notes(every),
                missing=self._missing,
                blocked=self.blocked,
                learning=self.is_learning,
                promise=None if alarms is None else alarms.promise,
                drift=self.drift,
                minutes=self._minutes.points,
                day=self._day.points,
                rate=feed.rate,
                missed_rate=feed.expected if feed.is_off_rate else None,
                scored=self._scored,
                skipped=skipped,
                latency_p50=_quantile(latencies, 0.5),
                latency_p95=_quantile(latencies, 0.95),
                reconnects=feed.reconnects,
                snoozed_until=self._snoozed_until,
                waiting_bytes=self.waiting_bytes,
                left_out=self.left_out,
                unwritten="" if self.disk is None else self.disk.reason,
                write_failures=0 if self.disk is None else self.disk.failures,
            )
        return snapshot

    def _notes(self, alarms: Alarms | None) -> tuple[str, ...]:
        notes = (*(() if alarms is None else alarms.notes), *self.remarks)
        if self._feed.distrust:
            notes = (*notes, f"{self._feed.distrust}; the time of arrival counts")
        if not self._feed.unrecorded:
            return notes
        return (*notes, f"clips are of the stream that is watched; of record_url: {self._feed.unrecorded}")

    def _words(self, skipped: int) -> str:
        feed, watched = self._feed, self._watched
        parts = [f"{feed.state}{f' ({feed.reason})' if feed.reason else ''}"]
        if feed.state == "up" and feed.rate is not None:
            off = f", not the {feed.expected:g} of the model, so nobody is told" if feed.is_off_rate else ""
            parts.append(f"{feed.rate:.3g} frames/s{off}")
        if watched is not None and known(watched.rarity_hours) is not None:
            parts.append(once_in(watched.rarity_hours, censored=watched.is_censored))
        if watched is not None and watched.alarm:
            parts.append("ALARM")
        if self.blocked and not feed.is_off_rate:
            parts.append(self.blocked)
        count = self._alarms_raised
        parts.append(f"{count} event{'' if count == 1 else 's'} since the start")
        if self._latencies:
            parts.append(f"{1000 * float(np.median(self._latencies)):.0f} ms")
        if skipped:
            parts.append(f"{skipped} skipped")
        if self.is_snoozed:
            parts.append("snoozed")
        if self.disk is not None and self.disk.reason:
            parts.append("results cannot be written")
        return " · ".join(parts)

    def picture(self, most: int) -> bytes | None:
        """The last frame as a JPEG."""
        picture = self._feed.picture
        return None if picture is None else encode_jpeg(picture, most)

    def events(self) -> list[Event]:
        """The last events, newest first."""
        with self._lock:
            return list(self._known.values())[: -RECENT - 1 : -1]

    def snooze(self, seconds: float) -> None:
        """Tell nobody of events that begin within some seconds."""
        self._snoozed = datetime.now(UTC) + timedelta(seconds=seconds) if seconds > 0 else None

    def label(self, event: str, label: Label | None) -> bool:
        """Have written down what a person says of an event."""
        with self._lock:
            found = self._known.get(event)
            if found is None or self._is_closed:
                return False
            self._asked.put((found, label))
        return True


def _quantile(ordered: np.ndarray, share: float) -> float | None:
    return float(np.quantile(ordered, share)) if len(ordered) else None
