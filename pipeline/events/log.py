"""The log of the events in a folder: appended to line by line, each on the disk before the next.

A program that is killed may leave half a line at the end. Readers pass over it, the next writer cuts it off.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator

from pipeline.events.event import Event, from_json, to_json
from pipeline.events.schema import VERSION
from pipeline.processes.locking import sole
from shards.errors import StorageError, os_error_line
from shards.storage import Storage

LOG = "events.jsonl"
CURRENT = "events.json"
_MOST_LOG_BYTES = 256 << 20
"""The largest log in bytes: fifteen years of an event per hour."""


class EventLog:
    """The log of a folder, open to append to; see `writing`."""

    def __init__(self, folder: Storage, descriptor: int, events: Iterable[Event]) -> None:
        self._folder = folder
        self._descriptor = descriptor
        self._logged: dict[tuple[str, str, bool], Event] = {}
        for event in events:
            self._keep(event)

    @property
    def events(self) -> list[Event]:
        """Each event once, as it was last appended, in the order in which they began."""
        return fold(self._logged.values())

    def append(self, event: Event) -> None:
        """Append an event that begins or is over.

        Nothing happens if the log has that line already, as when a killed run is repeated, also if its
        figures differ in their last digits, as those of another batch size do; a label that a person has
        given since then stays. The end of an event that was cut off is another line than its real end.

        Raises:
            StorageError: it cannot be written; the log is then as it was.
        """
        before = self._logged.get(_line(event))
        if before is None or event.label not in (None, before.label):
            self.say(event)

    def say(self, event: Event) -> None:
        """Append what a person says of an event, however often they change it and take it back.

        Raises:
            StorageError: as `append`.
        """
        if event.type == "update":
            raise ValueError("an update is no line of a log")
        before = os.lseek(self._descriptor, 0, os.SEEK_END)
        try:
            _write(self._descriptor, to_json(event).encode() + b"\n")
            os.fsync(self._descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):  # what then stays is half a line, which readers pass over
                os.ftruncate(self._descriptor, before)
            raise _refused(self._folder, error) from error
        self._keep(event)

    def _keep(self, event: Event) -> None:
        """Remember a line; they are in the order in which they were last said."""
        self._logged.pop(_line(event), None)
        self._logged[_line(event)] = event

    def publish(self) -> None:
        """Write `events.json` anew.

        Raises:
            StorageError: it cannot be written.
        """
        record = {"version": VERSION, "events": [event.record() for event in self.events]}
        self._folder.write(CURRENT, json.dumps(record, ensure_ascii=False, allow_nan=False).encode())


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
    if not folder.is_local:
        raise StorageError(
            f"{folder}/{LOG}: cannot be appended to where files are written whole; choose a local folder"
        )
    with sole("writing of events", folder):
        events, whole = _read(folder) if folder.exists(LOG) else ([], 0)
        try:
            descriptor = _opened(folder, whole)
        except OSError as error:
            raise _refused(folder, error) from error
        try:
            log = EventLog(folder, descriptor, events)
            yield log
            log.publish()
        finally:
            os.close(descriptor)


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


def _line(event: Event) -> tuple[str, str, bool]:
    """Which line of the log an event is: it has each once for each label."""
    return event.id, event.type, event.interrupted


def _read(folder: Storage) -> tuple[list[Event], int]:
    """The events of a log, one for each whole line, and how many bytes these have."""
    data = folder.read(LOG, most=_MOST_LOG_BYTES)
    events: list[Event] = []
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        events.append(from_json(data[start:end], f"{folder}/{LOG} line {len(events) + 1}"))
        start = end + 1
    return events, start


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
