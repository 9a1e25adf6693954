"""The stage: cameras in, for as long as one likes; events, clips and scores out."""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import ConfigError, missing_package
from pipeline.processes.distributed import processes
from pipeline.processes.locking import sole
from pipeline.processes.signals import handling
from pipeline.runs.ownership import CONFIG, refuse_foreign_folder, refuse_links
from pipeline.scoring.scorer import full_float32
from pipeline.watch.address import address
from pipeline.watch.config import WatchConfig
from pipeline.watch.engine import Engine
from pipeline.watch.plan import COMMAND, Plan
from pipeline.watch.prepare import engine
from pipeline.watch.retention import Retention, left_behind
from pipeline.watch.secrets import revealed
from pipeline.watch.view import View
from shards.errors import StorageError
from shards.storage import Storage

if TYPE_CHECKING:
    from pipeline.watch.web.server import Server

LINE_SECONDS = 60.0
"""Seconds between two lines about a camera whose state does not change."""


def watch(
    plan: Plan, say: Callable[[str], None] = lambda line: None, stop: threading.Event | None = None
) -> Engine:
    """Watch cameras until a signal asks to stop, or all of them are files and at their end.

    Args:
        plan: which, and how.
        say: is given a line about each camera now and then.
        stop: ends it, too.

    Returns:
        The engine, at its end.

    Raises:
        UserError, ShardError: it cannot be done as asked, or not go on.
    """
    out, ending = Storage(plan.out), threading.Event() if stop is None else stop
    if not out.is_local:
        raise ConfigError(f"{out}: found no local folder, expected one, for events are appended; choose one")
    with (
        processes(plan.config.device) as process,
        sole("watching", out),
        contextlib.ExitStack() as stack,
    ):
        if process.world > 1:
            raise ConfigError(
                f"watch: found {process.world} processes, expected one; start it without torchrun"
            )
        refuse_foreign_folder(out, COMMAND)
        names = [camera.name for camera in plan.cameras]
        refuse_links(out, names)
        retention = _retention(plan, out, names)
        removed = retention(time.monotonic())  # before anything is written: there may be no room
        if removed is not None:
            say(removed)
        out.clear_temporary()
        _record(plan, out, say)
        made = engine(plan, process, stack)
        for name in made.view.cameras:
            snapshot = made.view.snapshot(name)
            for note in (*snapshot.notes, *filter(None, [snapshot.missing])):
                say(f"note: {name}: {note}")
        lines = _Lines(made, say)
        page = _page(plan.config, made.view, stack)
        if page is not None:
            say(f"page: {page.url}")

        def beat(now: float) -> None:
            removed = retention(now)
            if removed is not None:
                say(removed)
            lines(now)
            if page is not None:
                page.beat()

        with full_float32(), handling(lambda number, frame: ending.set()):
            made.run(ending, beat)
        return made


def _retention(plan: Plan, out: Storage, names: Sequence[str]) -> Retention:
    root = Path(out.path(""))
    folders = [*(root / name for name in names), *left_behind(root, names)]
    return Retention(folders, plan.config.retain_days, plan.config.retain_gb)


def _record(plan: Plan, out: Storage, say: Callable[[str], None]) -> None:
    """Write down what is watched, by which the folder is known as one of `watch` from then on.

    Raises:
        StorageError: it cannot be written, and the folder is known by nothing else yet.
    """
    try:
        out.write(CONFIG, plan.recorded().encode())
    except StorageError as error:
        if not out.exists(CONFIG):
            raise
        say(f"note: {error}")


def _page(config: WatchConfig, view: View, stack: contextlib.ExitStack) -> "Server | None":
    """The status page, if there is to be one."""
    if config.http is None:
        return None
    try:
        from pipeline.watch.web.server import serving
    except ModuleNotFoundError as error:
        if error.name != "aiohttp":
            raise
        raise missing_package("--http", "aiohttp", "watch") from None
    token = None if config.http_token is None else revealed(config.http_token, "http_token")
    return stack.enter_context(serving(view, address(config.http), token))


class _Lines:
    """Says how the cameras are, at most once a minute, and when their state changes."""

    def __init__(self, made: Engine, say: Callable[[str], None]) -> None:
        self._made, self._say = made, say
        self._said = time.monotonic()
        self._states: dict[str, str] = {}

    def __call__(self, now: float) -> None:
        is_due = now - self._said >= LINE_SECONDS
        for name in self._made.view.cameras:
            snapshot = self._made.view.snapshot(name)
            state = f"{snapshot.state} {snapshot.alarm} {snapshot.blocked}"
            if is_due or self._states.get(name) != state:
                self._say(f"{name}: {snapshot.words}")
            self._states[name] = state
        self._said = now if is_due else self._said
