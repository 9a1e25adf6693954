"""Records of remote shards on the local disk, at most so many bytes.

Once it is full, those that no process has used since this one began make room, the longest unused first; if
there are none, nothing more is taken in. A training reads its whole share in every epoch: would each record
drive out the one used longest ago, most would be gone before they are read again, and a cache of half the
share would give 0.16 of the reads. So it gives nearly half.

Any number of processes of one user may share a cache, and any may be killed at any moment: records appear
whole, by renaming, and whoever reads one checks it against the manifest. A record's name is the digest of its
content; nothing that is called otherwise is ever touched.
"""

import contextlib
import logging
import os
import re
import stat
import threading
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from shards.digests import is_digest
from shards.errors import ShardError
from shards.localfiles import Version, read_file_into
from shards.storage import TEMPORARY_PREFIX

FOLDER_VARIABLE = "MNAD_CACHE_DIR"
SIZE_VARIABLE = "MNAD_CACHE_GB"
DEFAULT_GB = 16.0
_SHARE = 1 / 128
"""A process looks at the whole cache after it has offered so much of the limit; so much, eight times, is
kept free, so that eight processes at once stay within the limit."""
_STARTED = time.time_ns()
_ABANDONED_SECONDS = 3600
"""A file that has been half-written for so long is the leaving of a killed process."""
_TEMPORARY = re.compile(re.escape(TEMPORARY_PREFIX) + "[0-9a-f]{32}")
_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600

logger = logging.getLogger(__name__)


class DiskCache:
    """A folder of records; safe to use from several threads and processes.

    Args:
        folder: made when needed, for this user alone.
        limit: bytes that it may hold; 0 keeps nothing.
        since: nanoseconds since 1970; records that were last used before may make room.

    Raises:
        ShardError: the folder is a link, or others can change what lies in it.
    """

    def __init__(self, folder: Path, limit: int, since: int = _STARTED) -> None:
        self._folder = folder
        self._limit = limit
        self._since = since
        self._lock = threading.Lock()
        self._offered = limit  # so that the first record makes it look at what others left
        self._is_full = False
        if limit > 0:
            _refuse_foreign(folder)

    def read_into(self, key: str, buffers: Sequence[memoryview]) -> Version | None:
        """Fill `buffers` with a record; None if it is not there in this length."""
        path = self._path(key)
        try:
            filled, version = read_file_into(os.fspath(path), 0, buffers, follow=False)
            if filled != sum(len(buffer) for buffer in buffers) or filled != version[2]:
                return None
            # The time of access says how long ago it was used, whether the file system keeps it or not.
            os.utime(path, ns=(time.time_ns(), version[1]))
        except OSError:
            return None
        return version

    def has(self, key: str) -> bool:
        """Whether a record is there, whole or not."""
        return self._path(key).exists()

    def used(self, key: str) -> str:
        """The path of a record, which is there or not; if it is, it was used just now."""
        path = self._path(key)
        with contextlib.suppress(OSError):
            modified = path.stat(follow_symlinks=False).st_mtime_ns
            os.utime(path, ns=(time.time_ns(), modified), follow_symlinks=False)
        return os.fspath(path)

    def put(self, key: str, buffers: Sequence[memoryview]) -> None:
        """Keep a record, if there is room in the cache and on the disk."""
        size = sum(len(buffer) for buffer in buffers)
        if size > self._limit * (1 - 8 * _SHARE):
            return
        temporary = self._folder / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
        try:
            if not self._takes(size):
                return
            with open(temporary, "xb", opener=_private) as file:
                for buffer in buffers:
                    file.write(buffer)
            temporary.replace(self._path(key))
        except OSError as error:
            logger.warning("%s: cannot keep shards here: %s", self._folder, error.strerror)
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def drop(self, key: str) -> None:
        """Remove a record that is not what it should be."""
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        assert is_digest(key), key
        return self._folder / key

    def _takes(self, size: int) -> bool:
        """Whether there is room for a record of so many bytes."""
        with self._lock:
            self._offered += size
            if self._offered >= self._limit * _SHARE:
                self._offered = 0
                self._is_full = not self._make_room(size)
            return not self._is_full

    def _make_room(self, size: int) -> bool:
        """Look at the whole cache, and remove what nobody uses as far as needed; whether that was enough."""
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        _refuse_foreign(self._folder)
        held = []
        for entry in os.scandir(self._folder):
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                status = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(status.st_mode):
                    continue
                if is_digest(entry.name):
                    held.append((status.st_atime_ns, status.st_size, entry.path))
                elif _TEMPORARY.fullmatch(entry.name) and time.time() - status.st_mtime > _ABANDONED_SECONDS:
                    Path(entry).unlink()
        excess = sum(bytes_ for _, bytes_, _ in held) + size - self._limit * (1 - 8 * _SHARE)
        for used, bytes_, path in sorted(held):
            if excess <= 0 or used >= self._since:
                break
            Path(path).unlink(missing_ok=True)
            excess -= bytes_
        return excess <= 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _PRIVATE_FILE)


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder in which somebody else can put, or take the place of, what this process writes."""
    try:
        status = folder.lstat()
    except OSError:  # not there yet, or found out when it is made
        return
    if stat.S_ISLNK(status.st_mode):
        found = "is a symbolic link; name the folder that it points to"
    elif status.st_uid != os.geteuid():
        found = "belongs to another user; name a folder of your own"
    elif stat.S_ISDIR(status.st_mode) and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        found = f"can be written by others; make it private (chmod 700 {folder})"
    else:
        return
    raise ShardError(f"{folder}: the cache of remote shards {found}, in {FOLDER_VARIABLE}")


def default_cache() -> DiskCache:
    """The cache that the environment names: $MNAD_CACHE_DIR, at most $MNAD_CACHE_GB gigabytes."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = os.environ.get(FOLDER_VARIABLE) or Path(home) / "mnad" / "shards"
    stated = os.environ.get(SIZE_VARIABLE, str(DEFAULT_GB))
    try:
        gigabytes = float(stated)
        if not 0 <= gigabytes < float("inf"):
            raise ValueError
    except ValueError:
        raise ShardError(f"{SIZE_VARIABLE}={stated!r}: not a number of gigabytes; 0 keeps nothing") from None
    return DiskCache(Path(folder), int(gigabytes * 1e9))
