"""Files of the local disk, looked at without pyarrow, whose paths must be UTF-8."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

Version = tuple[int, int, int]
"""Inode, time of change (ns) and bytes of a local file: another version of a file has another, unless
somebody sets the time back, or is quicker than the file system's clock."""


def file_size(path: str) -> int:
    """Bytes of a regular file; FileNotFoundError if there is none."""
    status = Path(path).stat()
    if not stat.S_ISREG(status.st_mode):
        raise FileNotFoundError(path)
    return status.st_size


def names_in(folder: str, prefix: str = "") -> list[str]:
    """Names of the files directly inside a folder that start so; none if it is not there."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.name.startswith(prefix) and entry.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return []


def files_below(root: str) -> list[tuple[str, int, int]]:
    """Name, bytes and time of change (ns) of all files below a folder; links to folders are not followed."""
    found, folders = [], [""]
    while folders:
        inside = folders.pop()
        with contextlib.suppress(OSError), os.scandir(f"{root}/{inside}") as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{inside}{entry.name}/")
                elif status := _status(entry):
                    found.append((inside + entry.name, status.st_size, status.st_mtime_ns))
    return found


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Of a regular file, or one that a link leads to; None if that is nowhere, or was gone meanwhile."""
    try:
        status = entry.stat()
    except FileNotFoundError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def read_file_into(
    path: str, offset: int, buffers: Sequence[memoryview], *, follow: bool = True
) -> tuple[int, Version]:
    """Fill `buffers` with the bytes of a local file from `offset` on.

    Args:
        path: of the file, which must be a regular one.
        offset: of the first byte.
        buffers: to fill.
        follow: whether it may be a symbolic link.

    Returns:
        How many bytes there were, and the version of the file.
    """
    with regular_file(path, follow=follow) as descriptor:
        status = os.fstat(descriptor)
        wanted = [buffer for buffer in buffers if len(buffer)]
        filled = 0
        while wanted and (count := os.preadv(descriptor, wanted, offset + filled)):
            filled += count
            while wanted and count >= len(wanted[0]):
                count -= len(wanted.pop(0))
            if count:
                wanted[0] = wanted[0][count:]
        return filled, (status.st_ino, status.st_mtime_ns, status.st_size)


@contextlib.contextmanager
def regular_file(path: str, *, follow: bool = True) -> Iterator[int]:
    """A descriptor to read a file; OSError for devices and pipes, which may be endless or make one wait."""
    descriptor = _descriptor(path, os.O_RDONLY | (0 if follow else os.O_NOFOLLOW))
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """A file to read and seek in; OSError as of `regular_file`."""
    return open(path, "rb", opener=_descriptor)


def _descriptor(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise OSError(kind, os.strerror(kind) if stat.S_ISDIR(mode) else "Not a regular file", path)
    return descriptor


def sync_folder(folder: Path) -> None:
    """Have the names of what lies in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
