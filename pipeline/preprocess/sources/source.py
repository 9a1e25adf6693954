"""A source, local or remote: listed once, its files read when needed."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.errors import SourceError
from pipeline.preprocess.sources.tree import SourceFile, Tree
from pipeline.video.walking import Oddities, is_hidden, walk
from shards import locations
from shards.errors import StorageError, os_error_line
from shards.localfiles import open_regular
from shards.storage import Storage

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
            StorageError: a remote one cannot be fetched, or is not as large as was announced.
        """
        self.opened.add(path)
        try:
            if self._root:
                with open_regular(self._root / path) as file:
                    while chunk := file.read(_CHUNK):
                        yield chunk
            else:
                yield from self._storage.pieces(path)
        except OSError as error:
            raise SourceError(
                f"{self}/{path}: cannot be read: {error.strerror or error}; make it readable, or leave it "
                "out with --on-error skip"
            ) from error

    def read(self, path: str) -> bytes:
        """All bytes of a file."""
        return b"".join(self.chunks(path))

    @contextlib.contextmanager
    def local(self, path: str) -> Iterator[Path]:
        """The file as a local one; a remote file is fetched for as long as the block lasts.

        Raises:
            StorageError: it cannot be fetched, or there is no room for it.
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
    files = [SourceFile(path, info.st_size, info.st_mtime_ns) for path, info in walk(root, oddities)]
    return Tree(Source(str(root)), files, oddities)


def _list_remote(location: str) -> Tree:
    files = [SourceFile(path=p, size=s, modified=m) for p, s, m in Storage(location).walk()]
    if not files:
        folder, name = locations.split(location)
        if name:
            beside = [SourceFile(path=p, size=s, modified=m) for p, s, m in Storage(folder).walk()]
            if found := [file for file in beside if file.path == name]:
                return Tree(Source(folder), found)
        raise SourceError(f"{Storage(location)}: holds no files; give a folder of videos or a dataset")
    return Tree(Source(location), [file for file in files if not _is_hidden(file.path)])


def _is_hidden(path: str) -> bool:
    return any(map(is_hidden, path.split("/")))
