"""Asked to stop: SIGTERM (schedulers, torchrun) and SIGINT (Ctrl-C) let the step under way finish."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


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
    """Within the block the first such signal is a request; the second does what it did before the block."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # Python lets only the main thread handle signals
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def remember(number: int, _: FrameType | None) -> None:
        request.signal = signal.Signals(number).name
        signal.signal(number, before[signal.Signals(number)])

    for number in SIGNALS:
        signal.signal(number, remember)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
