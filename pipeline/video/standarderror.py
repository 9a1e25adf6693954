"""What C libraries print on standard error, which for some kinds of damage is all that they say."""

import contextlib
import os
import tempfile
from collections.abc import Iterator

_MOST_BYTES = 1 << 16
"""The most bytes that are read of what was printed: some libraries complain of every line of a picture."""


class StandardError:
    """Listens to this process's standard error, which only a worker can afford."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as file:
            self._file = os.dup(file.fileno())  # for as long as the process lives

    @contextlib.contextmanager
    def heard(self) -> Iterator[list[str]]:
        """A list that holds, after the block, the lines that were printed in it."""
        lines: list[str] = []
        kept = os.dup(2)
        os.dup2(self._file, 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            if os.lseek(self._file, 0, os.SEEK_END):
                os.lseek(self._file, 0, os.SEEK_SET)
                lines += os.read(self._file, _MOST_BYTES).decode(errors="replace").splitlines()
                os.lseek(self._file, 0, os.SEEK_SET)
                os.ftruncate(self._file, 0)
