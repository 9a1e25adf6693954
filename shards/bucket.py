"""Folders of object stores: the owner of Arrow's file systems."""

import contextlib
import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import pyarrow as pa
from pyarrow import fs as pafs

from shards.abandoning import within
from shards.buffers import scatter
from shards.limits import MOST_LISTING_BYTES
from shards.retry import RefusedError

CALL_SECONDS = 60.0
"""Seconds in which a store opens, describes or removes a file, with the three tries that Arrow makes of its
own."""
SILENCE_SECONDS = 10.0
SLOWEST = 100_000
"""Bytes per second; N bytes that take more than SILENCE_SECONDS + N / SLOWEST are given up, as over HTTP."""
LISTING_SECONDS = 600.0
"""Seconds in which a folder is listed or removed: S3 gives 1,000 names in about 0.1 s, so 6 million in that
time."""
_UPLOAD_CHUNK = 8 << 20
_DELAYED = "allow_delayed_open"


class Bucket:
    """Files below a folder of an object store; safe to use from several threads.

    What is asked of the store is over within a stated time, or TimeoutError; but for uploads, in which the
    store gets bytes and gives none.

    Args:
        files: of the store.
        root: the folder in it.
    """

    def __init__(self, files: Any, root: str) -> None:
        self._files, self._root = files, root
        self._open: dict[str, Any] = {}

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def size(self, name: str) -> int:
        """Bytes of `name`; FileNotFoundError if it is not there."""
        info = within(CALL_SECONDS, lambda: self._files.get_file_info(self._path(name)))
        if info.type != pafs.FileType.File:
            raise FileNotFoundError(name)
        return int(info.size)

    def files(self, folder: str, *, recursive: bool) -> Iterator[tuple[str, int, int]]:
        """Name, bytes and time of change (ns) of the files in a folder; none if it is not there.

        Raises:
            RefusedError: the list has no end in LISTING_SECONDS or MOST_LISTING_BYTES.
        """
        selector = pafs.FileSelector(self._path(folder), recursive=recursive, allow_not_found=True)
        try:
            found = within(
                LISTING_SECONDS, lambda: self._files.get_file_info(selector), most=MOST_LISTING_BYTES
            )
        except TimeoutError as error:  # a second try would take as long
            raise RefusedError(str(error)) from None
        for info in found:
            if info.type == pafs.FileType.File:
                name = info.path.removeprefix(self._root).lstrip("/")
                yield name, int(info.size), int(info.mtime_ns or 0)

    def read(self, name: str, check: Callable[[int], None]) -> bytes:
        """All bytes of `name`; FileNotFoundError if it is not there.

        Args:
            name: of the file.
            check: is told how many they are before they are read, and raises if they are too many.
        """
        file = self._opened(name)
        size = file.size()
        check(size)
        data = bytes(within(_seconds(size), lambda: file.read(size)))
        file.close()
        return data

    def read_into(self, name: str, offset: int, buffers: Sequence[memoryview]) -> int:
        """Fill `buffers` with the bytes of `name` from `offset` on; returns how many there were."""
        if name not in self._open:
            self._open[name] = self._opened(name)
        file, length = self._open[name], sum(map(len, buffers))
        data = memoryview(within(_seconds(length), lambda: file.read_at(length, offset)))
        scatter(data, buffers, 0)
        return len(data)

    def _opened(self, name: str) -> Any:
        return within(CALL_SECONDS, lambda: self._files.open_input_file(self._path(name)))

    def upload(self, source: IO[bytes], name: str) -> None:
        """Write all of a file as `name`.

        The object appears when its last part has arrived; a part that fails keeps it from appearing, and so
        does whatever interrupts this, as Ctrl-C: what was there before stays.
        """
        source.seek(0)
        stream = self._files.open_output_stream(self._path(name))
        try:
            while chunk := source.read(_UPLOAD_CHUNK):
                try:
                    stream.write(chunk)
                except OSError:
                    with contextlib.suppress(OSError):  # publishes nothing after that
                        stream.close()
                    raise
        except BaseException:
            _leave(stream)
            raise
        stream.close()

    def delete(self, name: str) -> None:
        """Remove `name`; FileNotFoundError if it is not there."""
        within(CALL_SECONDS, lambda: self._files.delete_file(self._path(name)))

    def delete_folder(self, folder: str) -> None:
        """Remove a folder with all that is in it, in 5 requests for 1,000 files."""
        within(LISTING_SECONDS, lambda: self._files.delete_dir(self._path(folder)))


def _leave(stream: Any) -> None:
    """Let nobody close a stream, which would publish what was written so far; Arrow offers no other end, and
    closes one that is freed. 10 MB stay in memory."""
    if not stream.closed:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))


def _seconds(size: int) -> float:
    return SILENCE_SECONDS + size / SLOWEST


def bucket_of(uri: str) -> tuple[Bucket | None, str]:
    """What a URI names: a folder of an object store, or None for one of this machine, and its path there.

    Raises:
        ValueError, OSError: it names nothing that Arrow knows; the text quotes it.
    """
    try:
        files, root = _file_system(uri)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from None
    root = root.rstrip("/")
    return None if isinstance(files, pafs.LocalFileSystem) else Bucket(files, root), root


def _file_system(uri: str) -> tuple[Any, str]:
    """Of a URI, and the path in it; in S3, one that writes a small object in one request instead of three."""
    if uri.lower().startswith("s3://") and _DELAYED not in uri:
        with contextlib.suppress(ValueError):  # an Arrow that does not know the option, or a wrong location
            found: tuple[Any, str] = pafs.FileSystem.from_uri(
                f"{uri}{'&' if '?' in uri else '?'}{_DELAYED}=true"
            )
            return found
    found = pafs.FileSystem.from_uri(uri)
    return found
