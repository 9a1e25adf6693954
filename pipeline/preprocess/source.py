"""The files of a source, local or remote: listed once, read when needed."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import SourceError
from shards.errors import StorageError, os_error_line
from shards.storage import Storage

VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("3gp", "asf", "avi", "dav", "flv", "h264", "h265", "hevc", "m2ts", "m4v", "mjpeg", "mjpg", "mkv"),
        *("mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv", "y4m"),
    )
)
IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
_IGNORED_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN"})
_CHUNK = 4 << 20


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `2` before `10`, in any part of a path; ties between `1` and `01` fall to plain order."""
    parts = re.split(r"(\d+)", text)
    numbered = [(0, int(p), p) if p.isascii() and p.isdigit() else (1, 0, p) for p in parts if p]
    return tuple(numbered)


def join(*parts: str) -> str:
    """A relative path from its parts, without the empty ones."""
    return "/".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of the source.

    Attributes:
        path: relative, with `/`.
        size: bytes.
        modified: nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """The extension in lower case, with its dot."""
        return PurePosixPath(self.path).suffix.lower()

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return PurePosixPath(self.path).stem


class Source:
    """A place that files are read from.

    Args:
        location: local path or URI of a folder.
    """

    def __init__(self, location: str) -> None:
        self.location = location
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
        try:
            if self._root:
                with (self._root / path).open("rb") as file:
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


class Tree:
    """All files of a source as they were when it was listed, without hidden ones.

    Args:
        source: where they lie.
        files: to look at.
    """

    def __init__(self, source: Source, files: list[SourceFile]) -> None:
        self.source = source
        self.files = {file.path: file for file in sorted(files, key=lambda file: natural_key(file.path))}
        self._children: dict[str, list[SourceFile]] = {}
        self._folders: dict[str, dict[str, None]] = {}
        for file in self.files.values():
            parts = PurePosixPath(file.path).parts
            self._children.setdefault("/".join(parts[:-1]), []).append(file)
            for depth in range(len(parts) - 1):
                parent = "/".join(parts[:depth])
                self._folders.setdefault(parent, {})[parts[depth]] = None

    def children(self, folder: str = "") -> list[SourceFile]:
        """The files directly inside a folder, in natural order."""
        return self._children.get(folder, [])

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders directly inside a folder that hold files, in natural order."""
        return sorted(self._folders.get(folder, {}), key=natural_key)

    def videos(self, folder: str = "") -> list[SourceFile]:
        """The video files directly inside a folder, in natural order."""
        return [file for file in self.children(folder) if file.suffix in VIDEO_SUFFIXES]

    def images(self, folder: str = "") -> list[SourceFile]:
        """The image files directly inside a folder, in natural order."""
        return [file for file in self.children(folder) if file.suffix in IMAGE_SUFFIXES]


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
        return Tree(Source(str(root.parent)), [_describe(root, root.name)])
    if not root.is_dir():
        raise SourceError(f"{location}: not found; give a folder of videos, a dataset or a video file")
    return Tree(Source(str(root)), list(_walk(root, "", ())))


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
    return any(part.startswith(".") or part in _IGNORED_FOLDERS for part in PurePosixPath(path).parts)


def _describe(path: Path, relative: str) -> SourceFile:
    info = path.stat()
    return SourceFile(path=relative, size=info.st_size, modified=info.st_mtime_ns)


def _walk(folder: Path, relative: str, ancestors: tuple[tuple[int, int], ...]) -> Iterator[SourceFile]:
    """Files below a folder; symbolic links are followed unless they lead back into their own ancestors."""
    try:
        info = folder.stat()
        identity = (info.st_dev, info.st_ino)
        if identity in ancestors:
            return
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise SourceError(f"{folder}: cannot be listed: {error.strerror}; make it readable") from error
    for entry in entries:
        path = join(relative, entry.name)
        if _is_hidden(entry.name):
            continue
        if entry.is_dir():
            yield from _walk(Path(entry.path), path, (*ancestors, identity))
        elif entry.is_file():
            yield _describe(Path(entry.path), path)
