"""A watch that runs in a thread of the test."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.events.event import Event
from pipeline.events.log import read_events
from pipeline.processes.distributed import processes
from pipeline.watch import prepare
from pipeline.watch.engine import Engine
from pipeline.watch.feed import Feed
from pipeline.watch.plan import Plan, watch_config
from pipeline.watch.slots import Slots
from shards.storage import Storage
from tests.helpers.yard import World


def watching(world: World, out: Path, url: str, **options: Any) -> contextlib.AbstractContextManager[Engine]:
    """A watch of one camera, `yard`, which is stopped at the end of the block."""
    given = {"checkpoint": str(world.run), "out": str(out), "name": "yard", "device": "cpu", **options}
    return running(watch_config(url=url, **given))


@contextlib.contextmanager
def prepared(plan: Plan) -> Iterator[Engine]:
    """A watch that does not run."""
    with processes("cpu") as process, contextlib.ExitStack() as stack:
        made = prepare.engine(plan, process, stack)
        yield made
        made._close()


@contextlib.contextmanager
def running(plan: Plan) -> Iterator[Engine]:
    """A watch, which is stopped at the end of the block."""
    stop = threading.Event()
    failures: list[BaseException] = []
    with processes("cpu") as process, contextlib.ExitStack() as stack:
        made = prepare.engine(plan, process, stack)

        def run() -> None:
            try:
                made.run(stop)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield made
        finally:
            stop.set()
            thread.join(30)
            assert not thread.is_alive()
    if failures:
        raise failures[0]


def without_skipping(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a live camera wait for the one who scores, too, however busy the machine is, until it is stopped.

    Else windows are skipped where pictures come in bursts, as those between B-frames do; and after a step of
    more than a second smoothing begins again, so that no alarm comes for the next.
    """
    feeds: dict[str, Feed] = {}
    made = prepare._reader

    def reader(name: str, *given: Any) -> threading.Thread:
        feeds[name] = next(each for each in given if isinstance(each, Feed))
        return made(name, *given)

    def put(self: Slots, camera: str, window: Any) -> None:
        self.offer(camera, window, feeds[camera].stopping.is_set)

    monkeypatch.setattr(prepare, "_reader", reader)
    monkeypatch.setattr(Slots, "put", put)


def events_of(out: Path, camera: str = "yard") -> list[Event]:
    """What is in the log of a camera; nothing without one."""
    try:
        return read_events(Storage(str(out / camera)))
    except FileNotFoundError:
        return []
