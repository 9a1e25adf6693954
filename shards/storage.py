"""Where shards, checkpoints and scores lie: a local folder or a bucket, through pyarrow.fs.

A name is visible under its final name only when it is whole.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
from pyarrow import fs as pafs

from shards.errors import ShardError

TEMPORARY_PREFIX = ".tmp-"
"""Names that start so are leavings of a killed process; no reader looks at them."""


class Storage:
    """A folder, local or remote; names inside it are relative and use `/`.

    Args:
        location: local path, or a URI such as `s3://bucket/folder`.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        self.location = os.fspath(location)
        if "://" in self.location:
            try:
                self._fs, self._root = pafs.FileSystem.from_uri(self.location)
            except (ValueError, pa.ArrowException, OSError) as error:
                raise ShardError(f"{self.location}: not a storage location: {error}") from error
        else:
            self._fs, self._root = pafs.LocalFileSystem(), str(Path(self.location).absolute())

    def __str__(self) -> str:
        return self.location

    @property
    def is_local(self) -> bool:
        """Whether names have paths on this machine."""
        return isinstance(self._fs, pafs.LocalFileSystem)

    def path(self, name: str) -> str:
        """The path of `name` as the file system knows it."""
        return f"{self._root}/{name}"

    def exists(self, name: str) -> bool:
        """Whether a file `name` is there, whole."""
        kind = self._fs.get_file_info(self.path(name)).type
        return bool(kind == pafs.FileType.File)

    def size(self, name: str) -> int:
        """Bytes of `name`; FileNotFoundError if it is not there."""
        info = self._fs.get_file_info(self.path(name))
        if info.type != pafs.FileType.File:
            raise FileNotFoundError(f"{self.location}/{name}")
        return int(info.size)

    def names(self, folder: str = "") -> list[str]:
        """Sorted names of the files directly inside `folder`, without leavings of killed processes."""
        selector = pafs.FileSelector(self.path(folder), allow_not_found=True)
        files = (info for info in self._fs.get_file_info(selector) if info.type == pafs.FileType.File)
        return sorted(info.base_name for info in files if not info.base_name.startswith(TEMPORARY_PREFIX))

    def open(self, name: str) -> Any:
        """A pyarrow random access file with `read_at(nbytes, offset)`, safe to read from several threads."""
        return self._fs.open_input_file(self.path(name))

    def read(self, name: str) -> bytes:
        """All bytes of `name`."""
        with self._fs.open_input_stream(self.path(name)) as stream:
            return bytes(stream.read())

    def delete(self, name: str) -> None:
        """Remove `name`; nothing happens if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            self._fs.delete_file(self.path(name))

    def write(self, name: str, data: bytes) -> None:
        """Write `data` as `name`, atomically and durably."""
        with self.writing(name) as file:
            file.write(data)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A local binary file that becomes `name` when the block ends without an error.

        Locally the file lies beside its final place, is synced and then renamed over it; remotely it is
        a temporary file that is uploaded whole.
        """
        target = Path(self.path(name)) if self.is_local else None
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=target.parent if target else None)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if target is not None:
                umask = os.umask(0)
                os.umask(umask)
                Path(temporary).chmod(0o666 & ~umask)  # mkstemp makes files that only their owner reads
                Path(temporary).replace(target)
                _sync_directory(target.parent)
            else:
                self._upload(temporary, name)
        finally:
            Path(temporary).unlink(missing_ok=True)

    def _upload(self, local: str, name: str) -> None:
        with (
            pa.OSFile(local, "rb") as source,
            self._fs.open_output_stream(self.path(name)) as stream,
        ):
            while chunk := source.read(8 << 20):
                stream.write(chunk)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
