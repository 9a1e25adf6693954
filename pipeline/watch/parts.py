"""The table of a camera: a part for each hour, and one of a file, as `score` has it."""

import contextlib
from datetime import datetime

from pipeline.scoring.rows import FOLDER, Row, Rows, table_name, writing_rows
from shards.storage import Storage


class Parts:
    """Writes rows. A part appears, whole, when its hour is over, or all are.

    Args:
        out: folder of the camera.
    """

    def __init__(self, out: Storage) -> None:
        self._out = out
        self._open = contextlib.ExitStack()
        self._rows: Rows | None = None
        self._hour: datetime | None = None

    def append(self, row: Row) -> None:
        """Add a row; those of a camera have times that go on.

        Raises:
            StorageError: a part cannot be written.
        """
        hour = None if row.time is None else row.time.replace(minute=0, second=0, microsecond=0)
        if self._rows is None or hour != self._hour:
            self.close()
            self._hour = hour
            self._rows = self._open.enter_context(writing_rows(self._out, "parquet", part_name(row.time)))
        self._rows.append(row)

    def close(self) -> None:
        """Write what is held.

        Raises:
            StorageError: it cannot be written.
        """
        self._rows = None
        self._open.close()


def part_name(time: datetime | None) -> str:
    """Where the part lies whose first row is of a time, with zone UTC; None of a file."""
    return table_name("parquet") if time is None else f"{FOLDER}/{time:%Y-%m-%dT%H-%M-%S}.parquet"
