"""Commands run by commands."""

import signal
import subprocess

import pytest

from pipeline.errors import CommandError
from pipeline.processes.commands import run_command


class Child:
    """A process that is interrupted while it is waited for, and ends with a given exit code."""

    def __init__(self, code: int) -> None:
        self.code = code
        self.signals: list[int] = []

    def send_signal(self, number: int) -> None:
        self.signals.append(number)

    def wait(self) -> int:
        signal.raise_signal(signal.SIGINT)
        return self.code


def test_who_is_stopped_while_a_command_ends_well_stops_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    child = Child(0)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: child)
    with pytest.raises(KeyboardInterrupt):
        run_command("evaluate")
    assert child.signals == [signal.SIGINT]


def test_a_command_that_was_killed_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: Child(-signal.SIGKILL))
    with pytest.raises(CommandError, match="evaluate SET: ended by SIGKILL"):
        run_command("evaluate", "SET")
