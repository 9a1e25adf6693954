"""How far a run is, as its user sees it."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.pool import Task
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.sourceprogress import SourceProgress
from tests.helpers.terminal import Terminal, plain
from tests.helpers.videos import surveillance_set

LONG, SHORT = Task(name="long", job=""), Task(name="short", job="")
SIZES = {"long": 90_000_000, "short": 10_000_000}


def test_a_long_video_counts_while_it_is_read() -> None:
    told = []
    reached = SourceProgress(SIZES, 3, lambda amount=1, detail="": told.append((amount, detail)))
    reached.on_frames(LONG, 0, 0)
    reached.on_frames(LONG, 100_000, 300_000)
    reached.on_end(SHORT)
    reached.on_frames(LONG, 10, 300_000)  # begun anew with another decoder
    reached.on_frames(LONG, 150_000, 300_000)
    assert [amount for amount, _ in told] == [0, 30, 10, 0, 15]
    assert told[1][1].startswith("3/5 videos, 100000 frames")
    assert told[-1][1].startswith("4/5 videos, 150000 frames")
    reached.on_end(LONG)
    assert sum(amount for amount, _ in told) == SourceProgress.total(SIZES) == 100


def test_small_sets_and_frames_beyond_the_expected_end_where_they_should() -> None:
    told = []
    reached = SourceProgress({"short": 5}, 0, lambda amount=1, detail="": told.append(amount))
    reached.on_frames(SHORT, 12, 10)
    reached.on_end(SHORT)
    assert sum(told) == SourceProgress.total({"short": 5}) == 1


_BYTES = {"a": 7_300_000, "b": 0, "c": 999_999, "d": 41}
_reports = st.lists(
    st.tuples(st.sampled_from(sorted(_BYTES)), st.integers(0, 9), st.integers(0, 9)), max_size=20
)


@given(reports=_reports, ends=st.permutations(sorted(_BYTES)))
def test_what_is_shown_is_the_sum_over_all_videos(
    reports: list[tuple[str, int, int]], ends: list[str]
) -> None:
    told: list[tuple[int, str]] = []
    reached = SourceProgress(_BYTES, 0, lambda amount=1, detail="": told.append((amount, detail)))
    frames, done = dict.fromkeys(_BYTES, 0), dict.fromkeys(_BYTES, 0)
    for name, count, expected in reports:
        reached.on_frames(Task(name=name, job=""), count, expected)
        frames[name] = count
        if expected:
            done[name] = max(done[name], int(_BYTES[name] * Fraction(min(count, expected), expected)))
        assert sum(amount for amount, _ in told) == sum(done.values()) // 1_000_000
        assert told[-1][1].startswith(f"0/4 videos, {sum(frames.values())} frames")
    for name in ends:
        reached.on_end(Task(name=name, job=""))
    assert sum(amount for amount, _ in told) == SourceProgress.total(_BYTES) == 8
    assert all(amount >= 0 for amount, _ in told)


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
