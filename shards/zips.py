"""Zip files that may be damaged or hostile: their lists of members and their members, within limits."""

import zipfile
from typing import IO

MOST_DIRECTORY = 1 << 20
"""Bytes of a zip file's list of members, of which each makes an object of ten times its size."""
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Others may ask for gigabytes before they unpack anything: LZMA for a dictionary of 4 GB."""


class LongDirectoryError(zipfile.BadZipFile):
    """A list of members that is longer than that of any file of ours."""


class _Start:
    """A file of which no more than a list of members can be read at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._size = file.seek(0, 2)
        self.most: int | None = MOST_DIRECTORY
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1, /) -> bytes:
        """As of any file."""
        left = max(0, self._size - self.tell())
        wanted = left if size < 0 else min(size, left)
        if self.most is not None and wanted > self.most:
            raise LongDirectoryError(f"its list of members is longer than {self.most} bytes")
        return self._file.read(wanted)


def opened(file: IO[bytes]) -> zipfile.ZipFile:
    """A zip file to read from an open file, which stays the caller's.

    Raises:
        zipfile.BadZipFile: it is damaged, or lists more members than any file of ours.
    """
    start = _Start(file)
    archive = zipfile.ZipFile(start)
    start.most = None
    return archive


def content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    """A member, whose size the caller has compared with what it expects; it unpacks to no more than that.

    Raises:
        zipfile.BadZipFile: it is damaged, or compressed as no file of ours is.
    """
    if member.compress_type not in COMPRESSIONS:
        raise zipfile.BadZipFile(f"compression {member.compress_type}")
    with archive.open(member) as file:
        # To read all would unpack all of its bytes, up to 1,032 for each, and then cut them off.
        return file.read(member.file_size)
