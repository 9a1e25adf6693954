"""The table of a camera: a part for each hour, and one of a file, as `score` has it."""

import itertools
import os
import re
from datetime import datetime

from pipeline.scoring.journal import SUFFIX, Journal, recover
from pipeline.scoring.rows import FOLDER, Row, table_name
from pipeline.watch.disk import Disk
from shards.errors import ShardError
from shards.storage import Storage

_OF_FILE = table_name("parquet").removeprefix(f"{FOLDER}/")
PART = re.compile(rf"{re.escape(_OF_FILE)}|\d{{4}}-\d\d-\d\dT\d\d-\d\d-\d\d(_\d+)?\.parquet")
"""How a part is called, in its folder."""


class Parts:
    """Writes rows. A part appears, whole, when its hour is over, or all are; until then it is a journal.

    What a watch that was killed has left is a part from the beginning. Rows that cannot be written are left
    out; what was written before becomes a part when there is room again. A journal that cannot be read is
    tried again with each new part, and keeps no row from being written.

    Args:
        out: folder of the camera, which nobody else writes into.
        disk: of the camera.
    """

    def __init__(self, out: Storage, disk: Disk) -> None:
        self._out, self._disk = out, disk
        self._journal: Journal | None = None
        self._hour: datetime | None = None
        self._has_left = True
        self._recover()

    def append(self, row: Row) -> None:
        """Add a row; those of a camera have times that go on, until its clock is set."""
        if self._disk.fails(FOLDER):
            return
        try:
            self._append(row)
        except (OSError, ShardError) as error:
            self._leave(error)

    def _append(self, row: Row) -> None:
        hour = None if row.time is None else row.time.replace(minute=0, second=0, microsecond=0)
        if self._journal is None or hour != self._hour:
            self.close()
            if self._disk.fails(FOLDER):
                return
            self._recover()
            self._hour = hour
            self._journal = Journal(self._out, _free(self._out, part_name(row.time)))
        self._journal.append(row)

    def close(self) -> None:
        """Write what is held."""
        journal, self._journal = self._journal, None
        if journal is not None:
            try:
                journal.finish()
            except (OSError, ShardError) as error:
                self._leave(error)

    def _recover(self) -> None:
        """Make parts of what was left, as far as it can be done; none is being written."""
        if self._has_left:
            try:
                recover(self._out)
                self._has_left = False
            except (OSError, ShardError) as error:
                self._disk.failed(error)  # whether rows can be written is another question

    def _leave(self, error: Exception) -> None:
        """Leave a journal as it is: what would follow half a batch could not be read."""
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.abandon()
        self._has_left = True
        self._disk.failed(error, FOLDER)


def part_name(time: datetime | None) -> str:
    """Where the part lies whose first row is of a time, with zone UTC; None of a file."""
    return table_name("parquet") if time is None else f"{FOLDER}/{time:%Y-%m-%dT%H-%M-%S}.parquet"


def _free(out: Storage, name: str) -> str:
    """The name, or the next that no part has: a clock that is set back gives one again. That of a file, of
    which there is one table, stays."""
    if name == table_name("parquet"):
        return name
    stem = name.removesuffix(".parquet")
    names = itertools.chain([name], (f"{stem}_{number}.parquet" for number in itertools.count(2)))
    return next(
        each
        for each in names
        if not any(os.path.lexists(out.path(path)) for path in (each, f"{each}{SUFFIX}"))
    )
