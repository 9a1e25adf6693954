"""How far a run is, as its user sees it."""

from pipeline.preprocess.pool import Task
from pipeline.preprocess.tally import Tally

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
