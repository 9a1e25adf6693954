"""The log of the events in a folder: appended to line by line, each on the disk before the next.

A program that is killed may leave half a line at the end. Readers pass over it, the next writer cuts it off.

A video has few events, and its log is held whole (`writing`). That of a camera goes on for years: of it the
last events are held, and those that go on (`lasting`), so that none costs more than the first did.
"""

import contextlib
import dataclasses
import errno
import logging
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import IO

from pipeline.errors import SourceError
from pipeline.events.event import MOST_BYTES, Event, from_json, to_json
from pipeline.events.schema import EVENT_ID, VERSION
from pipeline.processes.locking import sole
from shards.errors import StorageError, os_error_line
from shards.storage import Storage

LOG = "events.jsonl"
CURRENT = "events.json"
_MOST_LOG_BYTES = 256 << 20
"""The largest log in bytes that is read whole: fifteen years of an event per hour."""
RECENT = 200
"""Events that are over of which a lasting log knows, beside all that go on."""
_MOST_UNWRITTEN = 1000
"""Lines that wait for room on the disk: 2 MB, weeks of alarms."""
_HEAD = re.compile(rf'\{{"version":{VERSION},"id":"({EVENT_ID})","type":"(new|end)"'.encode())
"""How a line of this program begins, by which it is looked at without being parsed: 100 times as fast."""
_LASTS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
"""What keeps a log from being opened for a while only."""

logger = logging.getLogger(__name__)


class EventLog:
    """The log of a folder, open to append to; see `writing`.

    Args:
        folder: with the log.
        descriptor: of it.
        events: one for each line that is to be known.
        most: events that are over of which it knows; None of all.
    """

    def __init__(
        self, folder: Storage, descriptor: int | None, events: Iterable[Event], most: int | None = None
    ) -> None:
        self._folder = folder
        self._descriptor = descriptor
        self._most = most
        self._logged: dict[str, dict[tuple[str, bool], Event]] = {}
        self._texts: dict[str, tuple[Event, str]] = {}
        self._over: dict[str, None] = {}
        for event in events:
            self._keep(event)

    @property
    def events(self) -> list[Event]:
        """Each event once, as it was last appended, in the order in which they began."""
        return [_last(lines) for lines in self._logged.values()]

    def append(self, event: Event) -> Event:
        """Append an event that begins or is over; returns it as the log has it then.

        Nothing happens if the log has that line already, as when a killed run is repeated, also if its
        figures differ in their last digits, as those of another batch size do; a label that a person has
        given since then stays. The end of an event that was cut off is another line than its real end.

        Raises:
            StorageError: it cannot be written; the log is then as it was.
        """
        lines = self._logged.get(event.id, {})
        if lines and event.label is None:
            event = dataclasses.replace(event, label=_last(lines).label)
        # Of what is known at all the beginning is in the log, though a lasting log may not hold that line.
        before = _last(lines) if lines and event.type == "new" else lines.get(_line(event))
        if before is None or event.label not in (None, before.label):
            self.say(event)
        return _last(self._logged[event.id])

    def say(self, event: Event) -> None:
        """Append what a person says of an event, however often they change it and take it back.

        Raises:
            StorageError: as `append`.
        """
        if event.type == "update":
            raise ValueError("an update is no line of a log")
        self._write(event)
        self._keep(event)

    def _write(self, event: Event) -> None:
        assert self._descriptor is not None
        before = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            _write(self._descriptor, to_json(event).encode() + b"\n")
            os.fsync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):  # what then stays is half a line, which readers pass over
                os.ftruncate(self._descriptor, before)
            raise _refused(self._folder, error) from error

    def _keep(self, event: Event) -> None:
        """Remember a line; those of an event are in the order in which they were last said."""
        lines = self._logged.setdefault(event.id, {})
        lines.pop(_line(event), None)
        lines[_line(event)] = event
        self._over.pop(event.id, None)
        if event.type == "end":
            self._over[event.id] = None
        if self._most is not None and len(self._over) > self._most:
            oldest = next(iter(self._over))  # of which nothing was said for longest
            del self._over[oldest], self._logged[oldest]

    def publish(self) -> None:
        """Write `events.json` anew.

        Raises:
            StorageError: it cannot be written.
        """
        known = self._texts
        self._texts = {
            event.id: found
            if (found := known.get(event.id)) is not None and found[0] is event
            else (event, to_json(event))
            for event in self.events
        }
        events = ",\n".join(text for _, text in self._texts.values())
        self._folder.write(CURRENT, f'{{"version": {VERSION}, "events": [\n{events}\n]}}\n'.encode())

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)


class LastingLog(EventLog):
    """A log that goes on when its disk is full; see `lasting`.

    Attributes:
        unwritten: lines that it could not write yet, which wait in memory.
        lost: how many were too many to wait.
        refusal: why they wait; None while none does.
    """

    def __init__(self, folder: Storage, whole: int, events: Iterable[Event], most: int | None) -> None:
        super().__init__(folder, None, events, most)
        self._whole = whole
        self.unwritten: deque[Event] = deque()
        self.lost = 0
        self.refusal: StorageError | None = None
        self._open()

    def _open(self) -> None:
        try:
            self._descriptor = _opened(self._folder, self._whole)
        except OSError as error:
            if error.errno not in _LASTS:
                raise _refused(self._folder, error) from error
            self.refusal = _refused(self._folder, error)

    def _write(self, event: Event) -> None:
        """Write a line, now or when that can be done; see `settle`."""
        self.unwritten.append(event)
        if len(self.unwritten) > _MOST_UNWRITTEN:
            self.unwritten.popleft()
            self.lost += 1
        self.settle()

    def settle(self) -> None:
        """Write the lines that wait, if that can be done."""
        if self._descriptor is None:
            self._open()
        try:
            while self._descriptor is not None and self.unwritten:
                super()._write(self.unwritten[0])
                self.unwritten.popleft()
        except StorageError as error:
            self.refusal = error
        else:
            if self._descriptor is not None:
                self.refusal = None


@contextlib.contextmanager
def writing(folder: Storage) -> Iterator[EventLog]:
    """The log of a folder to append to; `events.json` is written when the block ends without an error.

    It takes the folder's lock (`sole`), which who calls must not hold already.

    Args:
        folder: local; it is made.

    Raises:
        BusyError: another process writes the log.
        SourceError: what is there is no log of events.
        StorageError: it cannot be read or written.
    """
    _refuse_remote(folder)
    with sole("writing of events", folder):
        events, whole = _read(folder) if folder.exists(LOG) else ([], 0)
        try:
            descriptor = _opened(folder, whole)
        except OSError as error:
            raise _refused(folder, error) from error
        log = EventLog(folder, descriptor, events)
        try:
            yield log
            log.publish()
        finally:
            log.close()


@contextlib.contextmanager
def lasting(folder: Storage, most: int | None = RECENT) -> Iterator[LastingLog]:
    """The log of a camera to append to, which no full disk ends, and whose age costs nothing.

    Args:
        folder: as of `writing`.
        most: events that are over of which the log knows, so that it appends none of them again. None is of
            all, for a video file, whose repeated run gives the same ids.

    Raises:
        BusyError, SourceError: as `writing`.
        StorageError: it cannot be read, or written for another reason than a disk that is full or read-only.
    """
    _refuse_remote(folder)
    with sole("writing of events", folder):
        events: list[Event] = []
        whole = 0
        if folder.exists(LOG):
            events, whole = _read(folder) if most is None else _end(folder, most)
        log = LastingLog(folder, whole, events, most)
        try:
            yield log
            log.settle()
            if log.unwritten:
                logger.warning("%s; %d lines of it are lost", log.refusal, len(log.unwritten) + log.lost)
            try:
                log.publish()
            except StorageError as error:
                logger.warning("%s", error)
        finally:
            log.close()


def read_events(folder: Storage) -> list[Event]:
    """Each event of a folder once, as its log last has it, in the order in which they began.

    Raises:
        FileNotFoundError: there is no log.
        SourceError: it is damaged, or no log of events.
        StorageError: it cannot be read, or is too long.
    """
    return fold(_read(folder)[0])


def fold(events: Iterable[Event]) -> list[Event]:
    """Each event once, as it last is, in the order in which they first are."""
    return list({event.id: event for event in events}.values())


def _refuse_remote(folder: Storage) -> None:
    if not folder.is_local:
        raise StorageError(
            f"{folder}/{LOG}: cannot be appended to where files are written whole; choose a local folder"
        )


def _line(event: Event) -> tuple[str, bool]:
    """Which line of an event it is: the log has each once for each label."""
    return event.type, event.interrupted


def _last(lines: dict[tuple[str, bool], Event]) -> Event:
    """The event as it was last said."""
    return next(reversed(lines.values()))


def _read(folder: Storage) -> tuple[list[Event], int]:
    """The events of a log, one for each whole line, and how many bytes these have."""
    data = folder.read(LOG, most=_MOST_LOG_BYTES)
    events: list[Event] = []
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        events.append(from_json(data[start:end], f"{folder}/{LOG} line {len(events) + 1}"))
        start = end + 1
    return events, start


def _end(folder: Storage, most: int) -> tuple[list[Event], int]:
    """The events of which a log says something last, and all that go on, each as it last is; and how many
    bytes its whole lines have. It is looked through once, a line at a time."""
    where, over, going = f"{folder}/{LOG}", dict[bytes, int](), dict[bytes, int]()
    with folder.open(LOG, most=0) as file:
        place = 0
        while (line := file.readline(MOST_BYTES + 1)).endswith(b"\n"):
            found = _HEAD.match(line)
            if found is None:  # as another program may have written it
                event = from_json(line, f"{where} at byte {place}")
                name, kind = event.id.encode(), event.type.encode()
            else:
                name, kind = found[1], found[2]
            going.pop(name, None)
            over.pop(name, None)
            (going if kind == b"new" else over)[name] = place
            if len(over) > most:
                del over[next(iter(over))]
            place += len(line)
        if len(line) > MOST_BYTES and _has_line(file):
            raise SourceError(
                f"{where} at byte {place}: not an event (found a line of more than {MOST_BYTES} bytes); "
                "remove or mend it"
            )
        events = [_event_at(file, at, where) for at in (*going.values(), *over.values())]
    never = datetime.min.replace(tzinfo=UTC)
    # What persons have said of old ones stands behind what began later.
    return sorted(events, key=lambda event: event.start or never), place


def _has_line(file: IO[bytes]) -> bool:
    """Whether an end of a line follows, or so much that no program can have left it half-written."""
    for _ in range(_MOST_LOG_BYTES // MOST_BYTES):
        piece = file.read(MOST_BYTES)
        if not piece or b"\n" in piece:
            return bool(piece)
    return True


def _event_at(file: IO[bytes], place: int, where: str) -> Event:
    file.seek(place)
    return from_json(file.readline(MOST_BYTES + 1), f"{where} at byte {place}")


def _opened(folder: Storage, whole: int) -> int:
    """A descriptor that appends to a log behind its first `whole` bytes; it is made if it is not there."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    # Not through a link to another place, and without waiting for the reader of a pipe.
    descriptor = os.open(folder.path(LOG), flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    try:
        os.ftruncate(descriptor, whole)
        os.fsync(descriptor)
        directory = os.open(folder.path(""), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _refused(folder: Storage, error: OSError) -> StorageError:
    return StorageError(f"{folder}/{LOG}: cannot be written: {os_error_line(error, '')}")
