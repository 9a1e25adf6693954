"""Which of several ways to do the same is the fastest on this machine, whatever else it does meanwhile."""

import time
from collections.abc import Callable, Sequence

CLEARLY_FASTER = 1.2
"""Speed over the safe way's from which `auto` takes another one on a CPU."""


def least_seconds(ways: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Of each way the fastest of some rounds, in which they take turns.

    Where other processes compete for the cores, medians of few rounds tell of those; the fastest round is
    the one that they have disturbed the least.
    """
    least = [float("inf")] * len(ways)
    for _ in range(rounds):
        for index, way in enumerate(ways):
            started = time.perf_counter()
            way()
            least[index] = min(least[index], time.perf_counter() - started)
    return least
