"""What commands print: one line at a time, without anything that could control the terminal.

Names of files and videos are foreign text; here is the one door that all of it passes on its way out.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator

from pipeline.errors import OutputError
from shards.locations import hidden
from shards.text import plain


def say(line: str) -> None:
    """Print a line on standard output.

    Raises:
        OutputError: it cannot be written.
    """
    with standard_output():
        print(plain(line), flush=True)


def remark(line: str) -> None:
    """Print a line on standard error; one that cannot be written is lost, which ends no work."""
    if sys.stderr is not None:  # None where it was closed
        with contextlib.suppress(OSError):
            print(plain(line), file=sys.stderr, flush=True)


class _Remarks(logging.Handler):
    """Warnings of the program, each as a line on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one."""
        remark(hidden(self.format(record)))


_REMARKS = _Remarks(logging.WARNING)


def hear_warnings() -> None:
    """Print what modules warn of as any other line. Python's own way, for want of another, prints it raw: a
    file in a foreign bucket could set the clipboard by its name."""
    for package in ("pipeline", "shards"):
        logging.getLogger(package).addHandler(_REMARKS)  # once, however often


@contextlib.contextmanager
def standard_output() -> Iterator[None]:
    """A block that prints. A reader that had enough, such as `head`, ends the program in silence.

    Raises:
        OutputError: standard output cannot be written.
    """
    try:
        yield
    except BrokenPipeError:
        discard_output()
        sys.exit(1)
    except OSError as error:
        discard_output()
        raise OutputError(
            f"standard output: cannot be written: {error.strerror or error}; make room, or send it elsewhere"
        ) from None


def discard_output() -> None:
    """Give up what standard output could not take, so that the interpreter does not try again at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
