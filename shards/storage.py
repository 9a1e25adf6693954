"""Where shards, checkpoints and scores lie: a local folder, a bucket, or (to read) a web server.

A name is visible under its final name only when it is whole. What is remote is tried again when it fails.
Locations may carry credentials; messages never do.
"""

import contextlib
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple, TypeVar

from shards.errors import ShardError, StorageError, TooLargeError, os_error_line
from shards.limits import MOST_UNANNOUNCED_BYTES
from shards.localfiles import (
    Version,
    file_size,
    files_below,
    names_in,
    open_regular,
    read_file_into,
    sync_folder,
)
from shards.locations import is_uri, shown, split
from shards.retry import RefusedError, retrying
from shards.steady import SteadyFile
from shards.storewords import is_final, reason

if TYPE_CHECKING:
    from shards.bucket import Bucket
    from shards.http import HttpFolder

TEMPORARY_PREFIX = ".tmp-"
"""Names that start so are leftovers of a killed process; no reader looks at them."""

_CHUNK = 1 << 20
_PIECE = 4 << 20

Out = TypeVar("Out")


class Ending(NamedTuple):
    """What becomes of a file that was written.

    Attributes:
        name: that it gets.
        durable: whether the bytes of a local one have to survive a loss of power. Otherwise it may be gone,
            empty or damaged then. Like that of the name it takes a commit of the file system's journal, 3 to
            6 ms on a virtual disk.
        named: whether that it has its name has to survive, too; otherwise `sync_names` sees to it.
    """

    name: str
    durable: bool
    named: bool = True


class Storage:
    """A folder, local or remote; names inside it are relative and use `/`.

    Args:
        location: local path, or a URI such as `s3://bucket/folder`, `gs://bucket/folder` or
            `https://host/folder` (read-only). `str()` of the storage leaves out credentials and query.
        waiting: a block that is entered while a remote one is waited for, all tries of it together.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        waiting: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext,
    ) -> None:
        location = os.fspath(location)
        self._waiting = waiting
        self._public = shown(location)
        self._http: HttpFolder | None = None
        self._bucket: Bucket | None = None
        self._root = ""
        if "\0" in location:
            raise ShardError(f"{self}: not a storage location: found a zero byte, which no path has")
        try:
            if location.lower().startswith(("http://", "https://")):
                self._http = _http_folder(location)
            elif is_uri(location):
                self._bucket, self._root = _bucket_of(location)
            else:
                self._root = str(Path(location).absolute())
        except (ValueError, OSError):  # their texts would quote the location
            raise ShardError(
                f"{self}: not a storage location; give a local path, or https://host/folder, "
                "s3://bucket/folder or gs://bucket/folder, in which all but letters and digits of a user "
                "and a password is percent-encoded"
            ) from None

    def __str__(self) -> str:
        return self._public

    @property
    def is_local(self) -> bool:
        """Whether names have paths on this machine."""
        return self._http is None and self._bucket is None

    @property
    def remake(self) -> str:
        """What makes files of a shard set again that are not there, for messages."""
        # What lies in a bucket is believed to be there until it is looked for, one request for 1,000 files.
        return f"run preprocess again{'' if self.is_local else ' with --recheck'}"

    @property
    def can_list(self) -> bool:
        """Whether it can say which names there are; a web server cannot."""
        return self._http is None

    def path(self, name: str) -> str:
        """The path of `name` on this machine, or in its bucket."""
        return f"{self._root}/{name}" if name else self._root

    def exists(self, name: str) -> bool:
        """Whether a file `name` is there, whole."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def size(self, name: str) -> int:
        """Bytes of `name`, -1 if a web server does not tell; FileNotFoundError if it is not there."""

        def look() -> int:
            remote = self._http or self._bucket
            return file_size(self.path(name)) if remote is None else remote.size(name)

        return self._try(look, name)

    def names(self, folder: str = "") -> list[str]:
        """Sorted names of the files directly inside `folder`, without leftovers of killed processes."""
        if self.is_local:
            found = self._try(lambda: names_in(self.path(folder)), folder)
        else:
            found = [name.rpartition("/")[2] for name, _, _ in self._list(folder, recursive=False)]
        return sorted(name for name in found if not name.startswith(TEMPORARY_PREFIX))

    def walk(self) -> Iterator[tuple[str, int, int]]:
        """Name, bytes and time of change (ns) of all files inside, at any depth."""
        if self.is_local:
            yield from self._try(lambda: files_below(self._root), "")
        else:
            yield from self._list("", recursive=True)

    def clear_temporary(self, folder: str = "") -> None:
        """Remove what killed processes left half-written right in `folder`, as far as it can be removed;
        nobody may be writing there."""
        if self.is_local:
            for name in self._try(lambda: names_in(self.path(folder), TEMPORARY_PREFIX), folder):
                with contextlib.suppress(OSError):  # of a read-only disk: what is done next will say so
                    Path(self.path(folder), name).unlink(missing_ok=True)

    def open(self, name: str, *, most: int) -> IO[bytes]:
        """`name` as a file to read and seek in; FileNotFoundError if it is not there.

        Args:
            name: of the file.
            most: bytes of a remote one, which is read whole. A local one is read as far as it is asked for.

        Raises:
            StorageError: it is no regular file; TooLargeError if it has too many bytes.
        """
        if self.is_local:
            return self._try(lambda: open_regular(self.path(name)), name)
        return io.BytesIO(self.read(name, most=most))

    def read(self, name: str, *, most: int) -> bytes:
        """All bytes of `name`; FileNotFoundError if it is not there.

        Args:
            name: of the file.
            most: bytes that files of its kind may have. What has more, such as a file of gigabytes that takes
                no room on the disk, is not read.

        Raises:
            TooLargeError: there are more than `most` bytes.
        """

        def fetch() -> bytes:
            if self._http is not None:
                return self._http.read(name, most)
            if self._bucket is not None:
                return self._bucket.read(name, lambda size: self._refuse_more(name, size, most))
            with open_regular(self.path(name)) as file:
                return self._all_of(file, name, most)

        return self._try(fetch, name)

    def _all_of(self, file: IO[bytes], name: str, most: int) -> bytes:
        size = os.fstat(file.fileno()).st_size
        self._refuse_more(name, size, most)
        data = file.read(size + 1)
        if len(data) <= size:
            return data
        grown = bytearray(data)  # of a file that is written to, or one of the system's, which tells no size
        while chunk := file.read(_CHUNK):
            grown += chunk
            self._refuse_more(name, len(grown), most)
        return bytes(grown)

    def copy(self, name: str, other: str, *, most: int) -> None:
        """Write a file of at most so many bytes again, as `other`; one that is local takes no memory.

        Raises:
            FileNotFoundError: it is not there.
            TooLargeError: it has more bytes.
            StorageError: it cannot be read or written.
        """
        self._refuse_more(name, self.size(name), most)
        with self.open(name, most=most) as source, self.writing(other) as file:
            shutil.copyfileobj(source, file, _CHUNK)

    def _refuse_more(self, name: str, size: int, most: int) -> None:
        if size > most:
            raise TooLargeError(
                f"{self}/{name}: found {size} bytes, expected at most {most}; give another file, or move it "
                "away"
            )

    def read_into(self, name: str, offset: int, buffers: Sequence[memoryview]) -> tuple[int, Version | None]:
        """Fill `buffers` with the bytes of `name` from `offset` on; safe to call from several threads.

        Returns:
            How many bytes there were, and the version of the file (None where that is not known).
        """
        remote = self._http or self._bucket
        if remote is None:
            return read_file_into(self.path(name), offset, buffers)
        return self._try(lambda: remote.read_into(name, offset, buffers), name), None

    def pieces(self, name: str) -> Iterator[bytes]:
        """The bytes of `name`, one part after another, as many as were announced.

        Raises:
            FileNotFoundError: it is not there.
            StorageError: there are more or fewer, or more than MOST_UNANNOUNCED_BYTES of a file whose size
                the server does not say.
        """
        expected = self._announced(name)
        most = MOST_UNANNOUNCED_BYTES if expected is None else expected
        position, is_over = 0, False
        while not is_over:
            wanted = min(_PIECE, most + 1 - position)  # one more than there may be, which tells of more
            buffer = bytearray(wanted)
            count, _ = self.read_into(name, position, [memoryview(buffer)])
            position += count
            if position > most:
                said = "at most that of a file whose size is not announced" if expected is None else "that"
                raise StorageError(
                    f"{self}/{name}: found more than {most} bytes, expected {said}; fetch it by other means, "
                    "and give the copy"
                )
            if count:
                yield bytes(buffer[:count])
            # A short piece is no end where none was announced: servers may give less than they are asked for.
            is_over = not count or (count < wanted and position == expected)
        if expected is not None and position < expected:
            raise StorageError(
                f"{self}/{name}: found {position} bytes, expected {expected}, as were announced; fetch it by "
                "other means, and give the copy"
            )

    def _announced(self, name: str) -> int | None:
        """Bytes of `name`; None where that is not said, or whoever may read may not ask for it."""
        try:
            size = self.size(name)
        except StorageError:
            return None
        return size if size >= 0 else None

    def delete(self, name: str) -> None:
        """Remove `name`; nothing happens if it is not there."""

        def remove() -> None:
            if self._bucket is None:
                Path(self.path(name)).unlink()
            else:
                self._bucket.delete(name)

        with contextlib.suppress(FileNotFoundError):
            self._try(remove, name, writes=True)

    def clear(self, folder: str) -> None:
        """Remove `folder`, if it is there, with all that is in it."""

        def remove() -> None:
            if self._bucket is None:
                shutil.rmtree(self.path(folder))
            else:
                self._bucket.delete_folder(folder)

        with contextlib.suppress(FileNotFoundError):
            self._try(remove, folder, writes=True)

    def write(self, name: str, data: bytes | memoryview, *, durable: bool = True) -> None:
        """Write `data` as `name`, as `writing` does."""
        with self.writing(name, durable=durable) as file:
            file.write(data)

    @contextlib.contextmanager
    def writing(
        self, name: str, ending: Callable[[], Ending] | None = None, *, durable: bool = True
    ) -> Iterator[IO[bytes]]:
        """A local binary file that becomes `name` when the block ends without an error.

        Locally the file lies beside its final place, is synced if it is durable, and renamed over it;
        remotely it is a temporary file that is uploaded whole.

        Args:
            name: of the file, or what messages call it until it has one.
            ending: tells at the end of the block its name, and whether it is durable, where these depend on
                what was written.
            durable: see `Ending`.

        Raises:
            StorageError: it cannot be written; from writing to the file, too.
        """
        if not self.is_local:
            with tempfile.TemporaryFile(prefix=TEMPORARY_PREFIX) as file:
                yield file
                name = ending().name if ending else name
                self._try(lambda: self._upload(file, name), name, writes=True)
            return
        target = Path(self.path(name))
        temporary = target.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"

        def make() -> SteadyFile:
            target.parent.mkdir(parents=True, exist_ok=True)
            return SteadyFile(temporary, partial(self._refused, name, writes=True))

        def publish(end: Ending) -> None:
            place = Path(self.path(end.name))
            if place.parent != target.parent:
                place.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(place)
            if end.durable and end.named:
                sync_folder(place.parent)

        try:
            with self._try(make, name, writes=True) as raw, io.BufferedWriter(raw) as buffered:
                yield buffered
                buffered.flush()
                end = ending() if ending else Ending(name, durable)
                raw.settle(durable=end.durable)
            self._try(lambda: publish(end), name, writes=True)
        finally:
            with contextlib.suppress(OSError):  # without its folder it is not there either
                temporary.unlink(missing_ok=True)

    def sync_names(self) -> None:
        """Have the names of the files that lie right here survive a loss of power."""
        if self.is_local:
            self._try(lambda: sync_folder(Path(self.path(""))), "", writes=True)

    def _upload(self, file: IO[bytes], name: str) -> None:
        assert self._bucket is not None  # `_try` writes nowhere else
        self._bucket.upload(file, name)

    def _list(self, folder: str, *, recursive: bool) -> list[tuple[str, int, int]]:
        bucket = self._bucket
        if bucket is None:
            raise ShardError(f"{self}: a web server does not list its files; use a local folder or a bucket")
        return self._try(lambda: [*bucket.files(folder, recursive=recursive)], folder)

    def _try(self, action: Callable[[], Out], name: str, *, writes: bool = False) -> Out:
        """Do something that may fail for a while if the storage is remote.

        Raises:
            FileNotFoundError: there is nothing to read or to delete.
            StorageError: it fails otherwise.
        """
        if writes and self._http is not None:
            raise ShardError(f"{self}/{name}: a web server is read-only; write to a local folder or a bucket")
        if self.is_local:
            try:
                return action()
            except (FileNotFoundError, NotADirectoryError) as error:
                if writes and not isinstance(error, FileNotFoundError):
                    raise self._refused(name, error, writes=writes) from error
                raise FileNotFoundError(f"{self}/{name}") from error
            except OSError as error:
                raise self._refused(name, error, writes=writes) from error

        def attempt() -> Out:
            try:
                return action()
            except OSError as error:
                if is_final(str(error)):
                    raise RefusedError(str(error)) from error
                raise

        with self._waiting():
            return retrying(attempt, f"{self}/{name}", str if self._http is not None else reason)

    def _refused(self, name: str, error: OSError, *, writes: bool) -> StorageError:
        """What to say of an error of the local file system."""
        where = f"{self}/{name}" if name else str(self)
        return StorageError(
            f"{where}: cannot be {'written' if writes else 'read'}: {os_error_line(error, '')}"
        )


def storage_of(location: str) -> tuple[Storage, str]:
    """The folder that a file lies in, and the file's name there."""
    folder, name = split(location)
    return Storage(folder), name


# Most processes need neither: they take 0.04 and 0.09 s of the 0.3 that a worker takes to start.


def _http_folder(location: str) -> "HttpFolder":
    from shards.http import HttpFolder

    return HttpFolder(location)


def _bucket_of(location: str) -> "tuple[Bucket | None, str]":
    from shards.bucket import bucket_of

    return bucket_of(location)
