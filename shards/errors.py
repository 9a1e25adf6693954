"""What can be wrong with a shard set."""

import errno
import os


class ShardError(Exception):
    """A shard set that cannot be used as asked: one line naming file, found, expected and remedy."""


class NoSetError(ShardError):
    """There is no shard set, or none that was finished."""


class CorruptShardError(ShardError):
    """Stored bytes are not the bytes that were written."""


class StorageError(ShardError):
    """A storage that does not answer, or refuses."""


class TooLargeError(StorageError):
    """A file of more bytes than any of its kind has."""


_REMEDIES = {
    errno.ENOSPC: "make room, or choose another place",
    errno.EDQUOT: "make room, or choose another place",
    errno.EFBIG: "make room for larger files, or choose another place",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "allow it, or choose another place",
    errno.EPERM: "allow it, or choose another place",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.EIO: "check the disk",
}


def os_error_line(error: OSError, where: str | None = None) -> str:
    """One line about what the system refused: the file, why, and what helps.

    Args:
        error: of the system.
        where: the file, if not as the error has it; empty leaves it out.
    """
    file = error.filename if where is None else where
    named = f"{os.fsdecode(file)}: " if file and isinstance(file, str | bytes | os.PathLike) else ""
    remedy = _REMEDIES.get(error.errno or 0, "choose another place, or mend it")
    return f"{named}{error.strerror or error}; {remedy}"
