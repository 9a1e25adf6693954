"""Where scores go: any number of sinks, fed from one loop."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from pipeline.scoring.scorer import ScoredBatch


class Sink(Protocol):
    """Keeps of scored batches what it is for."""

    def observe(self, scored: ScoredBatch) -> None:
        """Take the next batch: those of a video come in order, one video after the other."""

    def close(self) -> None:
        """Finish what is to be kept; no batch follows."""

    def discard(self) -> None:
        """Leave nothing of what was observed, whether closed or not: scoring failed."""


def feed(
    sinks: Sequence[Sink], scored: Iterable[ScoredBatch], advance: Callable[[int], None] = lambda _: None
) -> None:
    """Give each batch to all sinks, and close them in their order; discard all if anything fails.

    Args:
        sinks: the last one is closed when all others are whole.
        scored: the batches.
        advance: is told the frames that are done.
    """
    with contextlib.ExitStack() as failed:
        for sink in sinks:
            failed.callback(sink.discard)
        for batch in scored:
            for sink in sinks:
                sink.observe(batch)
            advance(len(batch.frames))
        for sink in sinks:
            sink.close()
        failed.pop_all()
