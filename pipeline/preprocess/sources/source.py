"""A source, local or remote: listed once, its files read when needed."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from pipeline.errors import SourceError
from pipeline.preprocess.sources.tree import SourceFile, Tree
from pipeline.video.walking import Oddities, is_below, is_hidden, remote_results, walk
from shards import locations
from shards.errors import StorageError, os_error_line
from shards.localfiles import open_regular
from shards.storage import Storage

_CHUNK = 4 << 20


class Source:
    """A place that files are read from.

    Args:
        location: local path or URI of a folder.
        waiting: see `Storage`.
    """

    def __init__(
        self,
        location: str,
        waiting: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        self.location = location
        self.opened: set[str] = set()
        """Paths of the files that were read through this object."""
        self._storage = Storage(location, waiting)
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
    def local(
        self, path: str, seen: Callable[[bytes], None] | None = None, folder: Path | None = None
    ) -> Iterator[Path]:
        """The file as a local one; a remote file is fetched, once, for as long as the block lasts.

        Args:
            path: of the file.
            seen: is told all of its bytes, in pieces, before the block begins.
            folder: that is made for a remote file, and removed with it; one in TMPDIR if none is given.

        Raises:
            SourceError: it cannot be read.
            StorageError: it cannot be fetched, or there is no room for it.
        """
        if self._root:
            if seen is not None:
                for chunk in self.chunks(path):
                    seen(chunk)
            yield self._root / path
            return
        with contextlib.ExitStack() as stack:
            place = folder or Path(tempfile.gettempdir())
            try:
                place = Path(stack.enter_context(_made(folder)))
                copy = place / f"video{PurePosixPath(path).suffix}"
                with copy.open("wb") as file:
                    for chunk in self.chunks(path):
                        file.write(chunk)
                        if seen is not None:
                            seen(chunk)
            except OSError as error:
                raise StorageError(
                    f"{self}/{path}: cannot be fetched to {place} (TMPDIR): {os_error_line(error, '')}"
                ) from error
            yield copy


@contextlib.contextmanager
def _made(folder: Path | None) -> Iterator[str]:
    """A folder for this user alone, for as long as the block lasts; under a name that nobody uses if none is
    given."""
    if folder is None:
        with tempfile.TemporaryDirectory() as name:
            yield name
        return
    folder.mkdir(mode=0o700)
    try:
        yield str(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
    storage = Storage(location)
    files = [SourceFile(path=p, size=s, modified=m) for p, s, m in storage.walk()]
    if not files:
        folder, name = locations.split(location)
        if name:
            beside = [SourceFile(path=p, size=s, modified=m) for p, s, m in Storage(folder).walk()]
            if found := [file for file in beside if file.path == name]:
                return Tree(Source(folder), found)
        raise SourceError(f"{storage}: holds no files; give a folder of videos or a dataset")
    files = [file for file in files if not _is_hidden(file.path)]
    oddities = Oddities(results=remote_results(storage, (file.path for file in files)))
    kept = [file for file in files if not is_below(file.path, oddities.results)]
    return Tree(Source(location), kept, oddities)


def _is_hidden(path: str) -> bool:
    return any(map(is_hidden, path.split("/")))
