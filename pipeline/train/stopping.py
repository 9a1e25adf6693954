"""Asked to stop: SIGTERM (schedulers, torchrun) and SIGINT (Ctrl-C) let the step under way finish."""

import contextlib
import signal
import time
from collections.abc import Iterator
from types import FrameType

from pipeline.processes.signals import SIGNALS, handling

SAME_REQUEST_S = 2.0
"""Signals this close to the first belong to it: a scheduler signals every process of a job, and torchrun,
which is one of them, passes on what it gets."""


class StopRequest:
    """Whether this process was asked to stop, and by what.

    Attributes:
        signal: the signal's name, or None.
    """

    signal: str | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Within the block the first such signal is a request; a later one does what it did before the block.

    After a request that holds beyond the block, too: what passes the same request on may come last.
    """
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    first = 0.0

    def remember(number: int, _: FrameType | None) -> None:
        nonlocal first
        if request.signal is None:
            first = time.monotonic()  # before the name: the next signal may interrupt between the two lines
            request.signal = signal.Signals(number).name
        elif time.monotonic() - first > SAME_REQUEST_S:
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)

    with handling(remember, stays=lambda: bool(request)):
        yield request
