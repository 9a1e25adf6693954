"""Calls into Arrow's object stores, which nothing can interrupt, given up after a time or too much memory.

A call that is given up goes on in its thread until the store ends it, or the process ends.
"""

import atexit
import contextlib
import os
import socket
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from shards.retry import RefusedError

_LOOK_SECONDS = 0.25
"""Seconds between looks at the memory of a call that is bounded in it: an answer at 1 GB/s goes past the
bound by that much."""
_CUT_SECONDS, _CUT_PAUSE = 10.0, 0.002
"""Seconds in which calls that go on are cut off at the end of the process, and between two cuts, for Arrow
tries again."""
_PAGE = os.sysconf("SC_PAGE_SIZE")

_ongoing: list[threading.Event] = []
"""Each is set when a call that was given up has ended."""

Out = TypeVar("Out")


def within(seconds: float, call: Callable[[], Out], *, most: int | None = None) -> Out:
    """What a call returns or raises.

    Args:
        seconds: in which it does.
        call: safe to go on after it was given up.
        most: bytes by which the memory of the process may grow until then.

    Raises:
        TimeoutError: it takes longer.
        RefusedError: it takes more memory.
    """
    made: list[Out] = []
    failed: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            made.append(call())
        except BaseException as error:
            failed.append(error)
        finally:
            done.set()

    before, deadline = _resident(), time.monotonic() + seconds
    threading.Thread(target=run, daemon=True, name="bucket").start()
    try:
        while not done.wait(max(0.0, _pause(deadline, most))):
            if most is not None and _resident() - before > most:
                raise RefusedError(f"an answer of more than {most >> 20} MiB")
            if time.monotonic() >= deadline:
                raise TimeoutError(f"no whole answer within {seconds:.0f} s")
    except BaseException:  # an interrupt of the user's, too
        _leave_behind(done)
        raise
    if failed:
        raise failed.pop()  # and keep no circle of it and its traceback
    return made[0]


def _pause(deadline: float, most: int | None) -> float:
    left = deadline - time.monotonic()
    return left if most is None else min(left, _LOOK_SECONDS)


def _resident() -> int:
    """Bytes of memory that the process holds; 0 where that is not known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE
    except OSError:  # not Linux
        return 0


def _leave_behind(call: threading.Event) -> None:
    """Note a call that goes on, for which Arrow would wait at the end of the process."""
    _ongoing[:] = [each for each in (*_ongoing, call) if not each.is_set()]
    atexit.unregister(_cut_off)
    atexit.register(_cut_off)  # runs before what Arrow has registered


def _cut_off() -> None:
    """End the calls that go on, which fail without their connections; nobody needs any at the end."""
    deadline = time.monotonic() + _CUT_SECONDS
    while any(not call.is_set() for call in _ongoing):
        for descriptor in _descriptors():
            with contextlib.suppress(OSError):  # closed meanwhile, or not connected
                if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                    with socket.socket(fileno=os.dup(descriptor)) as connection:
                        if connection.family in (socket.AF_INET, socket.AF_INET6):  # not the standard output
                            connection.shutdown(socket.SHUT_RDWR)
        if time.monotonic() > deadline:
            return
        time.sleep(_CUT_PAUSE)


def _descriptors() -> list[int]:
    try:
        return [int(each.name) for each in Path("/dev/fd").iterdir()]
    except OSError:
        return []
