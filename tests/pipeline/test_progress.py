"""What is shown of long work: lines where there is no terminal, a bar where there is one."""

import itertools
import sys
import time

import pytest

from pipeline.terminal.progress import progress
from tests.helpers.terminal import Terminal, plain


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes on by 20 s whenever it is looked at."""
    ticks = itertools.count(0, 20)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))


def test_the_time_left_is_told_as_soon_as_it_can_be_known(
    clock: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("work", 400, "things") as advance:
        advance(0, "began")
        advance(100)
    began, later, _ = capsys.readouterr().err.splitlines()
    assert began == "work: 0/400 things, began"
    assert later.startswith("work: 100/400 things, about 0:0")
    assert later.endswith("left")


def test_a_narrow_terminal_cuts_off_the_detail_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    with progress("train", 18, "steps") as advance:
        advance(17, "loss 0.01675, " + 100 * "x")
    text = plain(terminal.getvalue())
    assert "17/18 steps" in text
    assert "loss 0.01675, x" in text
