"""Delivery of a log's events to one sink: each at least once, in order, however often it fails.

The log of events is the outbox. Beside it a cursor says up to which line the sink has been told, so a program
that is killed goes on where it was; the line that it was sending is then sent again, with the same id. An
event that the log cannot take, as on a full disk, is sent from memory.
"""

import hashlib
import json
import logging
import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.events.event import MOST_BYTES, Event, from_json, to_json
from pipeline.events.log import LOG
from pipeline.events.sinks.sink import DoubtfulError, Sink, UndeliverableError, UnreachableError
from shards.errors import ShardError, StorageError, os_error_line
from shards.jsonfile import read_json
from shards.storage import Storage

FOLDER = "delivered"
LONGEST_PAUSE = 60.0
"""Seconds between two tries, at most: a receiver that is back has what it missed within a minute, however
long it was gone, and one try a minute of one that stays away costs nothing."""
FIRST_PAUSE = 1.0
"""Seconds before the second try; each later pause is twice as long as the one before."""
DOUBT_SECONDS = 600.0
"""Seconds for which an event is sent again whose failure may be its own (`DoubtfulError`), about 18 times;
then it is left out, for those behind it wait."""
CLOSING_SECONDS = 15.0
"""Seconds in which what waits may still be delivered when the program ends, to all sinks together."""

logger = logging.getLogger(__name__)


class Delivery:
    """Sends a folder's events to a sink, from a thread of its own.

    What was logged before a sink was ever used with this folder is not sent. Events that nobody is to be told
    of (`suppressed`) are passed over.

    Args:
        folder: local, with the log; another object appends to it, and calls `notify` then.
        sink: where to.
        first_pause: seconds before the second try.
        doubt: seconds for which an event is sent again whose failure may be its own.

    Attributes:
        delivered, left_out: how many events arrived, and how many were left out for good.
        failure: why the event at hand has not arrived yet; None where nothing waits for a second try.

    Raises:
        SourceError: the cursor is damaged.
        ShardError: it cannot be read.
    """

    def __init__(
        self,
        folder: Storage,
        sink: Sink,
        *,
        first_pause: float = FIRST_PAUSE,
        doubt: float = DOUBT_SECONDS,
    ) -> None:
        self.delivered = self.left_out = 0
        self.failure: str | None = None
        self._folder, self._sink = folder, sink
        self._first_pause, self._doubt = first_pause, doubt
        self._cursor = f"{FOLDER}/{sink.name}.json"
        self._log = Path(folder.path(LOG))
        self._first: str | None = None
        self._is_saved = True
        self._unlogged: tuple[Event, ...] = ()
        self._told: set[Event] = set()
        self._doubted_since: float | None = None
        self._at = self._start()
        self._wake, self._ending, self._over = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"delivery {sink.name}", daemon=True)
        self._thread.start()

    def notify(self, unlogged: Sequence[Event] = ()) -> None:
        """Something was appended to the log.

        Args:
            unlogged: what it could not take, all of it, in order: it is sent behind what the log has.
        """
        self._unlogged = tuple(unlogged)
        self._wake.set()

    def finish(self) -> None:
        """Send what waits and can be sent at once, and end; `close` waits for that."""
        self._ending.set()
        self._wake.set()

    def close(self, seconds: float = CLOSING_SECONDS) -> None:
        """Finish; what is left after so many seconds goes with the next start."""
        self.finish()
        self._thread.join(seconds)
        self._over.set()

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the events that the sink has not been told of."""
        unlogged = sum(len(to_json(event)) for event in self._unlogged if event not in self._told)
        return max(0, self._size() - self._at) + unlogged

    def _start(self) -> int:
        """Where the cursor is; without one, the end of the log."""
        size = self._size()
        try:
            record = read_json(self._folder, self._cursor)
        except FileNotFoundError:
            return self._saved(size)
        except ValueError:
            record = None
        at = record.get("bytes") if isinstance(record, dict) else None
        if type(at) is not int or at < 0:
            raise SourceError(
                f"{self._folder}/{self._cursor}: found no number of bytes, expected one; remove it, and what "
                "is logged from then on is delivered"
            )
        assert isinstance(record, dict)
        known = record.get("first")
        if known is not None and known != self._beginning():
            return 0  # another log, which began anew
        if at > size:
            logger.warning(
                "%s: %s/%s has %d bytes, of which %d were delivered: it is taken for an older copy, and what "
                "is logged from now on is delivered",
                self._sink.name,
                self._folder,
                LOG,
                size,
                at,
            )
            return self._saved(size)
        return at

    def _size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _beginning(self) -> str | None:
        """What tells the log from another one: a digest of its first line; None while there is none."""
        if self._first is None:
            line = self._line_at(0)
            self._first = None if line is None else hashlib.sha256(line).hexdigest()[:16]
        return self._first

    def _saved(self, at: int) -> int:
        """Write the cursor down, if that can be done; returns it."""
        try:
            record = {"bytes": at, "first": self._beginning()}
            self._folder.write(self._cursor, json.dumps(record).encode())
            self._is_saved = True
        except ShardError as error:  # a full disk: it goes on, and after a restart some come twice
            if self._is_saved:
                logger.warning("%s", error)
            self._is_saved = False
        return at

    def _run(self) -> None:
        """Deliver for ever: whatever goes wrong is told, and tried again."""
        failures = 0
        while not self._over.is_set():
            try:
                if self._delivered():
                    failures = 0
                    continue
                if self._ending.is_set():
                    return
                if self.failure is None:
                    self._wake.wait()
                    self._wake.clear()
                    continue
            except Exception as error:
                self._fails(f"{type(error).__name__}: {error}")
                if self._ending.is_set():
                    return
            longest = min(LONGEST_PAUSE, self._first_pause * 2.0**failures)
            failures = min(failures + 1, 20)
            self._ending.wait(longest * random.uniform(0.5, 1))

    def _delivered(self) -> bool:
        """Whether the next event has been dealt with, so that the one behind it is next."""
        line = self._line_at(self._at)
        if line is not None:
            if not self._is_done(line):
                return False
            self._at = self._saved(self._at + len(line))
            return True
        unlogged = next((event for event in self._unlogged if event not in self._told), None)
        if unlogged is None:
            self.failure = None
            return False
        if not self._sent(unlogged):
            return False
        self._told.add(unlogged)
        return True

    def _line_at(self, place: int) -> bytes | None:
        """The line at a place, its end included; None while there is no whole one.

        Raises:
            StorageError: it cannot be read, which says nothing of whether there is one.
        """
        try:
            with self._log.open("rb") as file:
                file.seek(place)
                line = file.readline(MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(os_error_line(error, str(self._log))) from error
        return line if line.endswith(b"\n") else None

    def _is_done(self, line: bytes) -> bool:
        """Whether nothing more is to be done about a line."""
        try:
            event = from_json(line, f"{self._folder}/{LOG}")
        except SourceError as error:
            self._leave_out(error)
            return True
        if event in self._told:  # before the log could take it
            self._told.discard(event)
            return True
        return self._sent(event)

    def _sent(self, event: Event) -> bool:
        """Whether nothing more is to be done about an event."""
        try:
            if not event.suppressed:
                self._sink.send(event)
                self.delivered += 1
        except UndeliverableError as error:
            self._leave_out(error)
        except DoubtfulError as error:
            now = time.monotonic()
            self._doubted_since = now if self._doubted_since is None else self._doubted_since
            if now - self._doubted_since < self._doubt:
                self._fails(str(error), f"it is tried again for {self._doubt / 60:g} min")
                return False
            self._leave_out(error)
        except UnreachableError as error:
            self._fails(str(error))
            return False
        except Exception as error:  # of a sink that should have said it otherwise: no event is lost by that
            self._fails(f"{type(error).__name__}: {error}")
            return False
        self.failure = self._doubted_since = None
        return True

    def _fails(self, reason: str, what: str = "it is tried again until it arrives") -> None:
        if self.failure is None:
            logger.warning("%s: %s; %s", self._sink.name, reason, what)
        self.failure = reason

    def _leave_out(self, error: Exception) -> None:
        logger.warning("%s: %s; the event is left out", self._sink.name, error)
        self.left_out += 1
        self.failure = self._doubted_since = None


def close_all(deliveries: Sequence[Delivery], seconds: float = CLOSING_SECONDS) -> None:
    """Close many, of which none waits for another: all of them have the same seconds."""
    for delivery in deliveries:
        delivery.finish()
    deadline = time.monotonic() + seconds
    for delivery in deliveries:
        delivery.close(max(0.0, deadline - time.monotonic()))


def event_key(event: Event) -> str:
    """What is the same for an event in the same state, whenever it is sent."""
    return "-".join(filter(None, (event.id, event.type, event.label)))
