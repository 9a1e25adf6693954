"""How long files of cameras stay. Events stay for ever; what is removed is told."""

import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.scoring import rows
from pipeline.scoring.happenings import SUFFIXES
from shards.storage import TEMPORARY_PREFIX

_SECONDS = 600.0
"""The fewest seconds between two looks at the files that there are."""
_DAY = 86_400.0


class Retention:
    """Removes what is too old or too much, the oldest first.

    Args:
        folders: of the cameras.
        days: that files stay; None for ever.
        gigabytes: that all files together may take; None as many as they like.
    """

    def __init__(self, folders: Iterable[Path], days: float | None, gigabytes: float | None) -> None:
        self._folders, self._days, self._gigabytes = list(folders), days, gigabytes
        self._looked: float | None = None

    def __call__(self, now: float) -> str | None:
        """Remove what is to be removed, if the last look at it is long ago.

        Args:
            now: on the clock of this process.

        Returns:
            What was, in words; None if nothing was.
        """
        is_asked = self._days is not None or self._gigabytes is not None
        if is_asked and (self._looked is None or now - self._looked >= _SECONDS):
            self._looked = now
            removed = self.clean(time.time())
            if removed:
                count = f"{len(removed)} file{'' if len(removed) == 1 else 's'}"
                return f"removed {count}, the last of them {removed[-1]} (--retain-days, --retain-gb)"
        return None

    def clean(self, now: float) -> list[Path]:
        """Remove what is to be removed.

        Args:
            now: seconds since 1970.

        Returns:
            What was.
        """
        files = []
        for folder in self._folders:
            for path in _kept(folder):
                state = path.lstat()
                if stat.S_ISREG(state.st_mode):
                    files.append((state.st_mtime, state.st_size, path))
        total = sum(size for _, size, _ in files)
        most = None if self._gigabytes is None else self._gigabytes * 1e9
        removed = []
        for changed, size, path in sorted(files):
            is_old = self._days is not None and now - changed > self._days * _DAY
            if not is_old and (most is None or total <= most):
                break
            path.unlink(missing_ok=True)
            total -= size
            removed.append(path)
        return removed


def _kept(folder: Path) -> Iterator[Path]:
    """What is called as a file of a camera that stays for a while; what is still being written is none."""
    for inside, suffixes in {**SUFFIXES, rows.FOLDER: (".parquet",)}.items():
        for path in [] if (folder / inside).is_symlink() else (folder / inside).glob("*"):
            if path.suffix in suffixes and not path.name.startswith(TEMPORARY_PREFIX):
                yield path
