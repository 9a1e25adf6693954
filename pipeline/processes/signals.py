"""Signals that ask a process to stop."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""The signals that ask a process to stop, from schedulers and torchrun, and from Ctrl-C."""


@contextlib.contextmanager
def handling(
    handler: Callable[[int, FrameType | None], None],
    numbers: Iterable[signal.Signals] = SIGNALS,
    stays: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Within the block `handler` gets the signals; what did before does after it, unless `stays()` then.

    Nothing changes in threads other than the main one: Python lets only that handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        if not stays():
            for number, old in before.items():
                signal.signal(number, old)
