"""How far a run is, as its user sees it."""

import re
from pathlib import Path

import pytest

from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.pool import Task
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.tally import Tally
from tests.helpers.terminal import Terminal, plain
from tests.helpers.videos import surveillance_set

LONG, SHORT = Task(name="long", job=""), Task(name="short", job="")
SIZES = {"long": 90_000_000, "short": 10_000_000}


def test_a_long_video_counts_while_it_is_read():
    told = []
    tally = Tally(SIZES, 3, lambda amount=1, detail="": told.append((amount, detail)))
    tally.on_frames(LONG, 0, 0)
    tally.on_frames(LONG, 100_000, 300_000)
    tally.on_end(SHORT)
    tally.on_frames(LONG, 10, 300_000)  # begun anew with another decoder
    tally.on_frames(LONG, 150_000, 300_000)
    assert [amount for amount, _ in told] == [0, 30, 10, 0, 15]
    assert told[1][1].startswith("3/5 videos, 100000 frames")
    assert told[-1][1].startswith("4/5 videos, 150000 frames")
    tally.on_end(LONG)
    assert sum(amount for amount, _ in told) == Tally.total(SIZES) == 100


def test_small_sets_and_frames_beyond_the_expected_end_where_they_should():
    told = []
    tally = Tally({"short": 5}, 0, lambda amount=1, detail="": told.append(amount))
    tally.on_frames(SHORT, 12, 10)
    tally.on_end(SHORT)
    assert sum(told) == Tally.total({"short": 5}) == 1


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_last_that_is_shown_counts_every_frame(
    is_terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    surveillance_set(tmp_path / "source", training=2, testing=1, frames=25)
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("TERM", "xterm-256color")
    screen = Terminal(is_terminal)
    monkeypatch.setattr("sys.stderr", screen)
    config = PreprocessConfig(
        source=str(tmp_path / "source"), shards=str(tmp_path / "shards"), size=(16, 16), workers=1
    )
    assert preprocess(config).frames == 75
    shown = re.findall(r"(\d+)/3 videos, (\d+) frames, (\d+)/s", plain(screen.getvalue()))
    assert shown[-1][:2] == ("3", "75")
    assert int(shown[-1][2]) > 0
