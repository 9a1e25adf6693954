"""One at a time in a folder: two that write the same results at once would mix them up."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.errors import BusyError
from shards.errors import StorageError
from shards.storage import Storage

_GLANCE_SECONDS = 0.1
"""Seconds after which a lock is tried once more: `is_busy` of another process holds one for microseconds."""


@contextlib.contextmanager
def sole(work: str, folder: Storage) -> Iterator[None]:
    """Within the block no other process can enter it with the same folder, if that is local; it is made.

    The lock is the folder's own: it leaves no file, and the kernel drops it with the process that holds it,
    however that ends. Processes that this one starts do not inherit it. A bucket has no locks.

    Args:
        work: such as `training`, for the message.
        folder: where results go.

    Raises:
        BusyError: another process is in such a block.
        StorageError: the folder cannot be made or opened.
    """
    if not folder.is_local:
        yield
        return
    path = Path(folder.path(""))
    try:
        path.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written: {error.strerror or error}; choose another folder, or make this one"
        ) from error
    try:
        _lock(handle, work, folder)
        yield
    finally:
        os.close(handle)


def is_busy(folder: Storage) -> bool:
    """Whether another process is in a block of `sole` with this folder; False where there are no locks."""
    if not folder.is_local:
        return False
    try:
        handle = os.open(folder.path(""), os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _locked(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _lock(handle: int, work: str, folder: Storage) -> None:
    if not _locked(handle, fcntl.LOCK_EX):
        time.sleep(_GLANCE_SECONDS)
        if not _locked(handle, fcntl.LOCK_EX):
            raise BusyError(
                f"{folder}: found another {work} under way in it, expected none; wait for it, stop it, or "
                "choose another folder"
            )


def _locked(handle: int, kind: int) -> bool:
    """Take a lock; False if another process holds one that excludes it."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network file systems cannot lock folders; one at a time is up to the user there
    return True
