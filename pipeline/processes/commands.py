"""Commands as separate processes: how a stage uses another without importing it."""

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from types import FrameType

from pipeline.errors import CommandError
from pipeline.processes.children import module_command, module_environment
from pipeline.processes.signals import SIGNALS, handling
from shards.locations import shown

_LAUNCHED = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
"""What torchrun tells a process of a group; a command started from one is alone."""


def run_command(*arguments: str) -> None:
    """Run a command of this program, `run_command("evaluate", shards, run)`, to its end.

    What it prints is seen. SIGTERM and SIGINT go to it, which has the time that it takes to end well, unless
    this process handles them itself.

    Raises:
        CommandError: it failed, or was stopped.
    """
    environment = {name: value for name, value in module_environment().items() if name not in _LAUNCHED}
    child = subprocess.Popen([*module_command("cli"), *arguments], env=environment)
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

    def pass_on(number: int, _: FrameType | None) -> None:
        passed_on.append(number)
        child.send_signal(number)

    defaults = (signal.SIG_DFL, signal.default_int_handler)
    with handling(pass_on, [number for number in SIGNALS if signal.getsignal(number) in defaults]):
        yield passed_on
