"""How long files of cameras stay. Events stay for ever; what is removed is told."""

import logging
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.events.event import MOST_BYTES, from_json
from pipeline.events.log import LOG
from pipeline.runs.ownership import CONFIG
from pipeline.scoring import rows
from pipeline.scoring.happenings import NAMES
from pipeline.watch.config import NAME
from pipeline.watch.parts import PART
from shards.localfiles import open_regular

_SECONDS = 600.0
"""The fewest seconds between two looks at the files that there are."""
_DAY = 86_400.0

logger = logging.getLogger(__name__)


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
        self._refused = ""

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
        """Remove what is to be removed and can be; what cannot be is told once.

        Args:
            now: seconds since 1970.

        Returns:
            What was.
        """
        files = [found for folder in self._folders for found in _files(folder)]
        total = sum(size for _, size, _ in files)
        most = None if self._gigabytes is None else self._gigabytes * 1e9
        removed = []
        refused = ""
        for changed, size, path in sorted(files):
            is_old = self._days is not None and now - changed > self._days * _DAY
            if not is_old and (most is None or total <= most):
                break
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                refused = error.strerror or str(error)
                if refused != self._refused:
                    logger.warning("%s: cannot be removed (--retain-days, --retain-gb): %s", path, refused)
                    self._refused = refused
                continue
            total -= size
            removed.append(path)
        self._refused = refused
        return removed


def left_behind(out: Path, names: Iterable[str]) -> list[Path]:
    """The folders of cameras that are watched no more, whose files go as those of the others do.

    A folder is one if it lies right in the results, is called as a camera, and has the log of a camera of
    that name, or one without events; what a person has put there, or has called otherwise, is none.

    Args:
        out: the results of `watch`, which are known as such.
        names: of the cameras that are watched.
    """
    known = set(names)
    try:
        found = sorted(path for path in out.iterdir() if path.name not in known)
    except OSError:
        return []
    return [path for path in found if _is_of_camera(path)]


def _is_of_camera(folder: Path) -> bool:
    try:
        NAME.parse(folder.name)
        if folder.is_symlink() or not folder.is_dir() or (folder / CONFIG).exists():
            return False
        with open_regular(folder / LOG) as file:
            line = file.readline(MOST_BYTES + 1)
        return not line or from_json(line, LOG).camera == folder.name
    except (ValueError, OSError, SourceError):
        return False


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """The time of change, the bytes and the path of each file that stays for a while."""
    for path in _kept(folder):
        try:
            state = path.lstat()
        except OSError:  # somebody else has removed it, or hides it
            continue
        if stat.S_ISREG(state.st_mode):
            yield state.st_mtime, state.st_size, path


def _kept(folder: Path) -> Iterator[Path]:
    """What is called as a file of a camera that stays for a while; what is still being written is none."""
    for inside, own in {**NAMES, rows.FOLDER: PART}.items():
        for path in [] if (folder / inside).is_symlink() else (folder / inside).glob("*"):
            if own.fullmatch(path.name):
                yield path
