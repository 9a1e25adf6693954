"""The table of a camera: a part for each hour, and one of a file, as `score` has it."""

from datetime import datetime

from pipeline.scoring.journal import Journal, recover
from pipeline.scoring.rows import FOLDER, Row, table_name
from shards.storage import Storage


class Parts:
    """Writes rows. A part appears, whole, when its hour is over, or all are; until then it is a journal.

    What a watch that was killed has left is a part from the beginning.

    Args:
        out: folder of the camera, which nobody else writes into.

    Raises:
        StorageError: what was left cannot be written.
    """

    def __init__(self, out: Storage) -> None:
        self._out = out
        self._journal: Journal | None = None
        self._hour: datetime | None = None
        recover(out)

    def append(self, row: Row) -> None:
        """Add a row; those of a camera have times that go on.

        Raises:
            StorageError: a part cannot be written.
        """
        hour = None if row.time is None else row.time.replace(minute=0, second=0, microsecond=0)
        if self._journal is None or hour != self._hour:
            self.close()
            self._hour = hour
            self._journal = Journal(self._out, part_name(row.time))
        self._journal.append(row)

    def close(self) -> None:
        """Write what is held.

        Raises:
            StorageError: it cannot be written.
        """
        journal, self._journal = self._journal, None
        if journal is not None:
            journal.finish()


def part_name(time: datetime | None) -> str:
    """Where the part lies whose first row is of a time, with zone UTC; None of a file."""
    return table_name("parquet") if time is None else f"{FOLDER}/{time:%Y-%m-%dT%H-%M-%S}.parquet"
