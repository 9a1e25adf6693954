"""Events to a command: started once for each, never by a shell."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import IO

from pipeline.errors import ConfigError
from pipeline.events.event import Event, to_json
from pipeline.events.sinks.sink import DoubtfulError, UnreachableError
from shards.text import printable

TRY_AGAIN = os.EX_TEMPFAIL
"""The exit code, 75, by which a command asks to be started again with the same event until it takes it."""
SECONDS = 60.0
"""Seconds that a command may take; then it and all that it started are ended."""
_END_SECONDS = 5.0
"""Seconds in which what was killed must be gone: what runs as somebody else cannot be killed."""
_MOST_WORDS = 200


class Command:
    """A program that gets each event as a line of JSON on standard input.

    Exit code 0 says that the event was taken, 75 that it is to come again until it is. Any other may be of
    the event or of what the program talks to (7 is curl's for a host that is down), and so may be too long a
    time: then the event comes again for a while.

    Args:
        words: the program and its arguments, as they are.
        seconds: that it may take.

    Raises:
        ConfigError: there are no words.
    """

    name = "command"

    def __init__(self, words: Sequence[str], *, seconds: float = SECONDS) -> None:
        if not words or not words[0]:
            raise ConfigError("on_alarm: found no words, expected a program and its arguments")
        self._words = list(words)
        self._seconds = seconds

    def send(self, event: Event) -> None:
        """Start it with an event; see `Sink.send`."""
        program = printable(self._words[0])
        with _words_of_its_own() as said:
            try:
                child = subprocess.Popen(
                    self._words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL if said is None else said,
                    start_new_session=True,
                )
            except OSError as error:
                raise UnreachableError(f"{program}: cannot be started: {error.strerror}") from None
            try:
                child.communicate(to_json(event).encode() + b"\n", timeout=self._seconds)
            except subprocess.TimeoutExpired:
                raise DoubtfulError(f"{program}: not done within {self._seconds:g} s") from None
            finally:
                _end(child)
            if child.returncode == 0:
                return
            words = "" if said is None else _last_words(said)
        reason = f"{program}: exit code {child.returncode}{f': {words}' if words else ''}"
        raise (UnreachableError if child.returncode == TRY_AGAIN else DoubtfulError)(reason)


@contextlib.contextmanager
def _words_of_its_own() -> Iterator[IO[bytes] | None]:
    """Where a program may write what ails it: no pipe, which what it leaves running would keep open. None
    where no temporary file can be made, as on a full disk: its words are worth less than the alarm."""
    with contextlib.ExitStack() as stack:
        try:
            said = stack.enter_context(tempfile.TemporaryFile())
        except OSError:
            said = None
        yield said


def _last_words(said: IO[bytes]) -> str:
    said.seek(max(0, said.seek(0, os.SEEK_END) - _MOST_WORDS))
    return printable(said.read().decode(errors="replace").strip().rpartition("\n")[2])


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let nothing of a child's group live on, as far as the system allows: it may run as somebody else."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_END_SECONDS)
