"""What is printed about long work where there is no terminal."""

import itertools

import pytest

from pipeline import progress as module
from pipeline.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by 20 s whenever it is looked at."""
    ticks = itertools.count(0, 20)
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(ticks)))


def test_the_time_left_is_told_as_soon_as_it_can_be_known(clock, capsys):
    with progress("work", 400, "things") as advance:
        advance(0, "began")
        advance(100)
    began, later, _ = capsys.readouterr().err.splitlines()
    assert began == "work: 0/400 things, began"
    assert later.startswith("work: 100/400 things, about 0:0")
    assert later.endswith("left")
