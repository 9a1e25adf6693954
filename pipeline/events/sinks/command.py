"""Events to a command: started once for each, never by a shell."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Sequence

from pipeline.errors import ConfigError
from pipeline.events.event import Event, to_json
from pipeline.events.sinks.sink import UndeliverableError, UnreachableError
from shards.text import printable

TRY_AGAIN = os.EX_TEMPFAIL
"""The exit code, 75, by which a command asks to be started again with the same event."""
SECONDS = 60.0
"""Seconds that a command may take; then it and all that it started are ended."""
_MOST_WORDS = 200


class Command:
    """A program that gets each event as a line of JSON on standard input.

    Exit code 0 says that the event was taken, 75 that it is to come again; with any other it is left out.

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
        with tempfile.TemporaryFile() as said:  # not a pipe, which what it leaves running would keep open
            try:
                child = subprocess.Popen(
                    self._words,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=said,
                    start_new_session=True,
                )
            except OSError as error:
                raise UnreachableError(f"{program}: cannot be started: {error.strerror}") from None
            try:
                child.communicate(to_json(event).encode() + b"\n", timeout=self._seconds)
            except subprocess.TimeoutExpired:
                raise UndeliverableError(f"{program}: not done within {self._seconds:g} s") from None
            finally:
                _end(child)
            if child.returncode == 0:
                return
            said.seek(max(0, said.seek(0, os.SEEK_END) - _MOST_WORDS))
            words = printable(said.read().decode(errors="replace").strip().rpartition("\n")[2])
        reason = f"{program}: exit code {child.returncode}{f': {words}' if words else ''}"
        raise (UnreachableError if child.returncode == TRY_AGAIN else UndeliverableError)(reason)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let nothing of a child's group live on."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
