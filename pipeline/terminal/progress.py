"""Progress of long work: a bar on a terminal, a plain line now and then elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

from pipeline.terminal.output import remark
from shards.text import plain

LINE_SECONDS = 10.0
"""Seconds between plain lines where there is no terminal."""


class Advance(Protocol):
    """Reports that work was done."""

    def __call__(self, amount: int = 1, detail: str = "") -> None:
        """Count `amount` more as done; `detail` is shown beside the count."""


@contextlib.contextmanager
def progress(task: str, total: int, unit: str, *, done: int = 0, quiet: bool = False) -> Iterator[Advance]:
    """Show the progress of `total` units of work on standard error.

    Args:
        task: what is being done, a verb.
        total: units of work.
        unit: their name, plural.
        done: units that were done before.
        quiet: show nothing (processes other than the first).
    """
    if quiet or sys.stderr is None:  # None where it was closed
        yield lambda amount=1, detail="": None
    elif sys.stderr.isatty():
        columns = (
            TextColumn("{task.description}"),
            BarColumn(20),
            MofNCompleteColumn(),
            TextColumn(unit),
            TimeRemainingColumn(),
            # Takes what the others leave, so that it is what a narrow terminal cuts off.
            TextColumn("{task.fields[detail]}", table_column=Column(ratio=1, no_wrap=True), markup=False),
        )
        with Progress(*columns, console=Console(stderr=True), expand=True) as bar:
            handle = bar.add_task(task, total=total, completed=done, detail="")

            def advance(amount: int = 1, detail: str = "") -> None:
                bar.update(handle, advance=amount, detail=plain(detail))

            yield advance
    else:
        lines = _Lines(task, total, unit, done)
        yield lines
        lines.finish()


class _Lines:
    """Plain progress: at most a line every LINE_SECONDS, and one at the end."""

    def __init__(self, task: str, total: int, unit: str, done: int) -> None:
        self._task, self._total, self._unit, self._done = task, total, unit, done
        self._before = done
        self._started = self._printed = time.monotonic()
        self._detail = ""

    def __call__(self, amount: int = 1, detail: str = "") -> None:
        self._done += amount
        self._detail = detail
        if time.monotonic() - self._printed >= LINE_SECONDS:
            self._print(self._left())

    def _left(self) -> str:
        done = self._done - self._before
        if done <= 0:
            return ""
        seconds = (time.monotonic() - self._started) / done * (self._total - self._done)
        return f"about {timedelta(seconds=round(seconds))} left"

    def finish(self) -> None:
        self._print(f"{time.monotonic() - self._started:.1f} s")

    def _print(self, timing: str) -> None:
        parts = [f"{self._task}: {self._done}/{self._total} {self._unit}", timing, self._detail]
        remark(", ".join(part for part in parts if part))
        self._printed = time.monotonic()
