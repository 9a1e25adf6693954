"""The pool of workers ends when its consumer does, whatever these are doing."""

import contextlib
import threading
from typing import Any

from pipeline.errors import SourceError
from pipeline.preprocess.pool import Task, run_pool
from pipeline.preprocess.worker import Done
from shards.errors import StorageError

PATIENCE = 20.0
"""Seconds; nothing waits for them to pass where the pool does what it should."""


class Starting:
    """A worker whose process is still being started when it is killed for the first time."""

    def __init__(self) -> None:
        self.is_asked, self.is_missed, self.is_dead = (threading.Event() for _ in range(3))
        self.has_run_on = False

    def run(self, *_: Any) -> Done:
        self.is_asked.set()
        self.is_missed.wait(PATIENCE)
        self.has_run_on = not self.is_dead.wait(PATIENCE)
        raise SourceError("was stopped")

    def kill(self) -> None:
        (self.is_dead if self.is_missed.is_set() else self.is_missed).set()


class Failing:
    """A worker that meets a full disk once the other is at work."""

    def __init__(self, other: Starting) -> None:
        self._other = other

    def run(self, *_: Any) -> Done:
        self._other.is_asked.wait(PATIENCE)
        raise StorageError("disk full")

    def kill(self) -> None:
        pass


def test_a_worker_that_is_being_started_is_killed_once_it_is_there() -> None:
    starting = Starting()
    members: list[Any] = [starting, Failing(starting)]
    tasks = [Task(name=name, job="") for name in ("a", "b", "c")]
    with contextlib.closing(run_pool(tasks, members, lambda *_: None)) as outcomes:
        outcome = next(outcomes)
    assert isinstance(outcome.error, StorageError)
    assert starting.is_dead.is_set()
    assert not starting.has_run_on
