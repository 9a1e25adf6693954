"""A source, local or remote: listed once, its files read when needed."""

import contextlib
import errno
import os
import stat
import tempfile
from collections import deque
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path, PurePosixPath

from pipeline.errors import SourceError
from pipeline.preprocess.sources.tree import Oddities, SourceFile, Tree
from shards.errors import StorageError, os_error_line
from shards.localfiles import open_regular
from shards.storage import Storage

_IGNORED_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN"})
_CHUNK = 4 << 20


class Source:
    """A place that files are read from.

    Args:
        location: local path or URI of a folder.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        self.opened: set[str] = set()
        """Paths of the files that were read through this object."""
        self._storage = Storage(location)
        # Local files are read as such: their names need not be UTF-8.
        self._root = Path(location).absolute() if self._storage.is_local else None

    def __str__(self) -> str:
        return str(self._storage)

    @property
    def name(self) -> str:
        """The last part of the location."""
        return PurePosixPath(str(self).partition("?")[0]).name

    def chunks(self, path: str) -> Iterator[bytes]:
        """The bytes of a file in pieces.

        Raises:
            SourceError: it cannot be read.
        """
        self.opened.add(path)
        try:
            if self._root:
                with open_regular(self._root / path) as file:
                    while chunk := file.read(_CHUNK):
                        yield chunk
            else:
                yield from self._remote_chunks(path)
        except OSError as error:
            raise SourceError(
                f"{self}/{path}: cannot be read: {error.strerror or error}; make it readable, or leave it "
                "out with --on-error skip"
            ) from error

    def _remote_chunks(self, path: str) -> Iterator[bytes]:
        position = 0
        while True:
            buffer = bytearray(_CHUNK)
            count, _ = self._storage.read_into(path, position, [memoryview(buffer)])
            if count:
                yield bytes(buffer[:count])
            if count < _CHUNK:
                return
            position += count

    def read(self, path: str) -> bytes:
        """All bytes of a file."""
        return b"".join(self.chunks(path))

    @contextlib.contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """The file as a local one; a remote file is fetched for as long as the block lasts.

        Raises:
            StorageError: there is no room for it.
        """
        if self._root:
            yield self._root / path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / f"video{PurePosixPath(path).suffix}"
            try:
                with copy.open("wb") as file:
                    for chunk in self.chunks(path):
                        file.write(chunk)
            except OSError as error:
                raise StorageError(
                    f"{self}/{path}: cannot be fetched to {folder} (TMPDIR): {os_error_line(error, '')}"
                ) from error
            yield copy


def list_tree(location: str) -> Tree:
    """List a folder, or a single file as a folder that holds nothing else.

    Raises:
        SourceError: there is nothing.
        ShardError: a remote storage does not answer, or refuses.
    """
    storage = Storage(location)
    if not storage.is_local:
        return _list_remote(location)
    root = Path(location).absolute()
    if root.is_file():
        info = root.stat()
        return Tree(Source(str(root.parent)), [SourceFile(root.name, info.st_size, info.st_mtime_ns)])
    if not root.is_dir():
        raise SourceError(f"{location}: not found; give a folder of videos, a dataset or a video file")
    oddities = Oddities()
    return Tree(Source(str(root)), list(_walk(root, oddities)), oddities)


def _list_remote(location: str) -> Tree:
    files = [SourceFile(path=p, size=s, modified=m) for p, s, m in Storage(location).walk()]
    if not files:
        path, mark, query = location.partition("?")
        parent, _, name = path.rpartition("/")
        folder = parent + mark + query
        if not parent.endswith("/"):
            beside = [SourceFile(path=p, size=s, modified=m) for p, s, m in Storage(folder).walk()]
            if found := [file for file in beside if file.path == name]:
                return Tree(Source(folder), found)
        raise SourceError(f"{Storage(location)}: holds no files; give a folder of videos or a dataset")
    return Tree(Source(location), [file for file in files if not _is_hidden(file.path)])


def _is_hidden(path: str) -> bool:
    return any(map(_is_hidden_name, path.split("/")))


def _is_hidden_name(name: str) -> bool:
    return name.startswith(".") or name in _IGNORED_FOLDERS


def _walk(root: Path, oddities: Oddities) -> Iterator[SourceFile]:
    """Files below a folder. Each folder is visited once, under its own path before any link to it."""
    top = root.resolve()
    above = {_identity(folder.stat()) for folder in top.parents}
    visited: set[tuple[int, int]] = set()
    folders, links = [(root, "")], deque[tuple[Path, str]]()
    while folders or links:
        is_link = not folders
        folder, relative = links.popleft() if is_link else folders.pop()
        try:
            identity = _identity(folder.stat())
            if identity in visited or identity in above:
                oddities.again.append(relative)
                continue
            entries = sorted(os.scandir(folder), key=attrgetter("name"))
        except OSError as error:
            raise SourceError(f"{folder}: cannot be listed: {error.strerror}; make it readable") from error
        visited.add(identity)
        if is_link:
            _note_outside(folder, relative, top, oddities)
        inside = f"{relative}/" if relative else ""
        for entry in entries:
            if _is_hidden_name(entry.name):
                continue
            path = inside + entry.name
            info = _info(entry)
            if info is None:
                oddities.dangling.append(path)
            elif stat.S_ISREG(info.st_mode):
                if entry.is_symlink():
                    _note_outside(Path(entry.path), path, top, oddities)
                yield SourceFile(path, info.st_size, info.st_mtime_ns)
            elif stat.S_ISDIR(info.st_mode):
                (links if entry.is_symlink() else folders).append((Path(entry.path), path))
            else:
                oddities.special.append(path)


def _info(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Of what is there, or what a link leads to; None if that is nowhere."""
    try:
        return entry.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise SourceError(f"{entry.path}: cannot be read: {error.strerror}; make it readable") from error


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _note_outside(link: Path, path: str, top: Path, oddities: Oddities) -> None:
    target = link.resolve()
    if not target.is_relative_to(top):
        oddities.outside.append((path, str(target)))
