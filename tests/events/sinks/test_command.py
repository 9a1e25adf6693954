"""Events to commands: never a shell, never for ever."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.events.event import from_json
from pipeline.events.sinks.command import Command
from pipeline.events.sinks.sink import DoubtfulError, UnreachableError
from tests.helpers.commands import is_running
from tests.helpers.events import event
from tests.helpers.receivers import until

WRITE = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"


def test_it_gets_the_event_as_a_line_and_its_arguments_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "$(touch sorry) ; *.json"
    Command([sys.executable, "-c", WRITE, str(out)]).send(event(camera="`id`; $HOME"))
    assert out.read_bytes().endswith(b"}\n")
    assert from_json(out.read_bytes(), "out") == event(camera="`id`; $HOME")
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("code", "error"), [(75, UnreachableError), (1, DoubtfulError), (7, DoubtfulError), (127, DoubtfulError)]
)
def test_its_exit_code_says_whether_to_try_again(code: int, error: type[Exception]) -> None:
    words = f"import sys; print('first', file=sys.stderr); print('why', file=sys.stderr); sys.exit({code})"
    with pytest.raises(error, match=f"exit code {code}: why$"):
        Command([sys.executable, "-c", words]).send(event())


def test_a_program_that_is_not_there_may_be_installed_later() -> None:
    with pytest.raises(UnreachableError, match="cannot be started"):
        Command(["/no/such/program"]).send(event())


def test_one_that_does_not_read_is_well() -> None:
    Command([sys.executable, "-c", "pass"]).send(event())


def test_it_and_what_it_starts_end_when_the_time_is_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "pids"
    words = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        f"open({str(out)!r}, 'w').write(f'[{{os.getpid()}}, {{child.pid}}]')\n"
        "time.sleep(100)\n"
    )
    started: list[float] = []
    real = subprocess.Popen.communicate

    def communicate(self: subprocess.Popen[bytes], *given: Any, **more: Any) -> tuple[bytes, bytes]:
        until(lambda: out.exists() and out.read_text().endswith("]"), 60)  # both are there
        started.append(time.monotonic())
        return real(self, *given, **more)

    monkeypatch.setattr(subprocess.Popen, "communicate", communicate)
    with pytest.raises(DoubtfulError, match="not done within 3 s"):
        Command([sys.executable, "-c", words], seconds=3).send(event())
    assert time.monotonic() - started[0] < 60
    pids = json.loads(out.read_text())
    until(lambda: not any(map(is_running, pids)))


def test_what_it_leaves_running_ends_with_it_and_is_not_waited_for(tmp_path: Path) -> None:
    out = tmp_path / "pid"
    words = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100)'])\n"
        f"open({str(out)!r}, 'w').write(str(child.pid))\n"
    )
    Command([sys.executable, "-c", words]).send(event())
    until(lambda: not is_running(int(out.read_text())))


def test_without_a_temporary_folder_it_is_started_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    out = tmp_path / "out"
    Command([sys.executable, "-c", WRITE, str(out)]).send(event())
    assert from_json(out.read_bytes(), "out") == event()
    with pytest.raises(DoubtfulError, match=r"exit code 3$"):
        Command([sys.executable, "-c", "import sys; sys.exit('why' and 3)"]).send(event())


def test_one_that_runs_as_somebody_else_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(group: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.killpg", refused)
    Command([sys.executable, "-c", "pass"]).send(event())


@pytest.mark.parametrize("words", [[], [""]])
def test_no_words_are_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="expected a program"):
        Command(words)
