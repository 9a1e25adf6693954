"""Sinks are fed from one loop, closed in order, and leave nothing where anything fails."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from mnad import FrameScores, Observed
from pipeline.scoring.scorer import ScoredBatch
from pipeline.scoring.sinks import feed


def scored(count: int, frames: int = 2) -> Iterator[ScoredBatch]:
    """Batches of some frames each."""
    values, tensor = np.zeros(frames), torch.zeros(frames, 1, 1, 1)
    for index in range(count):
        yield ScoredBatch(
            video=0,
            frames=np.arange(index * frames, (index + 1) * frames),
            scores=FrameScores(
                psnr=values, feature_distance=values, point_score=values, memory_updated=values > 0
            ),
            seen=Observed(first=0, frame=tensor, target=tensor, error=tensor, queries=tensor, items=tensor),
            after=tensor[0, 0],
        )


class Recorder:
    """Notes its calls, and fails in those that it is told."""

    def __init__(self, name: str, calls: list[str], failing: str = "") -> None:
        self.name = name
        self.calls = calls
        self.failing = failing

    def note(self, call: str) -> None:
        self.calls.append(f"{self.name}.{call}")
        if call in self.failing.split():
            raise RuntimeError(f"{self.name} fails")

    def observe(self, scored: ScoredBatch) -> None:
        self.note(f"observe{scored.frames[0]}")

    def close(self) -> None:
        self.note("close")

    def discard(self) -> None:
        self.note("discard")


def test_all_sinks_see_all_batches_and_are_closed_in_order() -> None:
    calls: list[str] = []
    done: list[int] = []
    feed([Recorder("a", calls), Recorder("b", calls)], scored(2), done.append)
    assert calls == ["a.observe0", "b.observe0", "a.observe2", "b.observe2", "a.close", "b.close"]
    assert done == [2, 2]


@pytest.mark.parametrize("failing", ["observe2", "close", "close discard"])
def test_all_sinks_discard_where_one_fails(failing: str) -> None:
    calls: list[str] = []
    sinks = [Recorder("a", calls), Recorder("b", calls, failing), Recorder("c", calls)]
    with pytest.raises(RuntimeError, match="b fails"):
        feed(sinks, scored(2))
    assert sorted(call for call in calls if "discard" in call) == ["a.discard", "b.discard", "c.discard"]
    assert "c.close" not in calls
    assert ("a.close" in calls) == ("close" in failing)


def test_all_sinks_discard_where_scoring_fails() -> None:
    def broken() -> Iterator[ScoredBatch]:
        yield from scored(1)
        raise KeyboardInterrupt

    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        feed([Recorder("a", calls)], broken())
    assert calls == ["a.observe0", "a.discard"]
