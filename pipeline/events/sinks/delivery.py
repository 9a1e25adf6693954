"""Delivery of a log's events to one sink: each at least once, in order, however often it fails.

The log of events is the outbox. Beside it a cursor says up to which line the sink has been told, so a program
that is killed goes on where it was; the line that it was sending is then sent again, with the same id.
"""

import json
import logging
import random
import threading
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.events.event import MOST_BYTES, Event, from_json
from pipeline.events.log import LOG
from pipeline.events.sinks.sink import Sink, UndeliverableError, UnreachableError
from shards.errors import ShardError
from shards.jsonfile import read_json
from shards.storage import Storage

FOLDER = "delivered"
LONGEST_PAUSE = 3600.0
"""Seconds between two tries, at most."""
FIRST_PAUSE = 1.0
"""Seconds before the second try; each later pause is twice as long as the one before."""
_PATIENCE = 5.0
"""Seconds in which what waits may still be delivered when the program ends."""

logger = logging.getLogger(__name__)


class Delivery:
    """Sends a folder's events to a sink, from a thread of its own.

    What was logged before a sink was ever used with this folder is not sent. Events that nobody is to be told
    of (`suppressed`) are passed over.

    Args:
        folder: local, with the log; another object appends to it, and calls `notify` then.
        sink: where to.
        first_pause: seconds before the second try.

    Attributes:
        delivered, left_out: how many events arrived, and how many were refused for good.
        failure: why the event at hand has not arrived yet; None where nothing waits for a second try.

    Raises:
        SourceError: the cursor is damaged.
        ShardError: it cannot be read or written.
    """

    def __init__(self, folder: Storage, sink: Sink, *, first_pause: float = FIRST_PAUSE) -> None:
        self.delivered = self.left_out = 0
        self.failure: str | None = None
        self._folder, self._sink = folder, sink
        self._first_pause = first_pause
        self._cursor = f"{FOLDER}/{sink.name}.json"
        self._log = Path(folder.path(LOG))
        self._at = self._start()
        self._wake, self._ending, self._over = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"delivery {sink.name}", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Something was appended to the log."""
        self._wake.set()

    def close(self) -> None:
        """Send what waits and can be sent at once, and end; what is left goes with the next start."""
        self._ending.set()
        self._wake.set()
        self._thread.join(_PATIENCE)
        self._over.set()

    @property
    def waiting_bytes(self) -> int:
        """Bytes of the log that the sink has not been told of."""
        return max(0, self._size() - self._at)

    def _start(self) -> int:
        """Where the cursor is; without one, the end of the log."""
        try:
            record = read_json(self._folder, self._cursor)
        except FileNotFoundError:
            self._save(self._size())
            return self._at
        except ValueError:
            record = None
        at = record.get("bytes") if isinstance(record, dict) else None
        if type(at) is not int or at < 0:
            raise SourceError(
                f"{self._folder}/{self._cursor}: found no number of bytes, expected one; remove it, and what "
                "is logged from then on is delivered"
            )
        return at if at <= self._size() else 0  # another log, which began anew

    def _size(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0

    def _save(self, at: int) -> None:
        self._folder.write(self._cursor, json.dumps({"bytes": at}).encode())
        self._at = at

    def _run(self) -> None:
        failures = 0
        while not self._over.is_set():
            line = self._next_line()
            if line is None:
                if self._ending.is_set():
                    return
                self._wake.wait()
                self._wake.clear()
                continue
            if self._sent(line):
                failures = 0
                self._advance(len(line))
            elif self._ending.is_set():
                return
            else:
                longest = min(LONGEST_PAUSE, self._first_pause * 2.0**failures)
                failures = min(failures + 1, 20)
                self._ending.wait(longest * random.uniform(0.5, 1))

    def _next_line(self) -> bytes | None:
        """The line at the cursor, its end included; None while there is no whole one."""
        try:
            with self._log.open("rb") as file:
                file.seek(self._at)
                line = file.readline(MOST_BYTES + 1)
        except OSError:
            return None
        return line if line.endswith(b"\n") else None

    def _sent(self, line: bytes) -> bool:
        """Whether nothing more is to be done about a line."""
        try:
            event = from_json(line, f"{self._folder}/{LOG}")
            if not event.suppressed:
                self._sink.send(event)
                self.delivered += 1
        except UnreachableError as error:
            if self.failure is None:
                logger.warning("%s: %s; it is tried again until it arrives", self._sink.name, error)
            self.failure = str(error)
            return False
        except (UndeliverableError, SourceError) as error:
            logger.warning("%s: %s; the event is left out", self._sink.name, error)
            self.left_out += 1
        self.failure = None
        return True

    def _advance(self, size: int) -> None:
        try:
            self._save(self._at + size)
        except ShardError as error:  # a full disk: it goes on, and after a restart some come twice
            logger.warning("%s", error)
            self._at += size


def event_key(event: Event) -> str:
    """What is the same for an event in the same state, whenever it is sent."""
    return "-".join(filter(None, (event.id, event.type, event.label)))
