"""Commands as separate processes: how a stage uses another without importing it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from pipeline.errors import CommandError
from shards.locations import shown

_LAUNCHED = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
"""What torchrun tells a process of a group; a command started from one is alone."""
_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGINT: signal.default_int_handler,
}


def run_command(*arguments: str) -> None:
    """Run a command of this program, `run_command("evaluate", shards, run)`, to its end.

    What it prints is seen. SIGTERM and SIGINT go to it, which has the time that it takes to end well, unless
    this process handles them itself.

    Raises:
        CommandError: it failed, or was stopped.
    """
    root = str(Path(__file__).parent.parent)
    environment = {name: value for name, value in os.environ.items() if name not in _LAUNCHED}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen([sys.executable, "-m", "cli", *arguments], env=environment)
    with _signals_to(child) as passed_on:
        code = child.wait()
    if code:
        name = " ".join(map(shown, arguments))
        if code < 0:
            raise CommandError(f"{name}: ended by {signal.Signals(-code).name}")
        raise CommandError(f"{name}: exit code {code}; its own message says why")
    if passed_on:
        signal.raise_signal(passed_on[0])  # it was done before it noticed; what follows is to stop, too


@contextlib.contextmanager
def _signals_to(child: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Within the block a signal that would end this process goes to `child`, and into the list, instead."""
    passed_on: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield passed_on  # Python lets only the main thread handle signals
        return

    def pass_on(number: int, _: FrameType | None) -> None:
        passed_on.append(number)
        child.send_signal(number)

    taken = [number for number, default in _DEFAULTS.items() if signal.getsignal(number) == default]
    for number in taken:
        signal.signal(number, pass_on)
    try:
        yield passed_on
    finally:
        for number in taken:
            signal.signal(number, _DEFAULTS[number])
