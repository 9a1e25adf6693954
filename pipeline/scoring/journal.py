"""Rows of a table that goes on: what was written down is there after SIGKILL, and becomes a whole table then.

A journal is an Arrow stream beside the table that it becomes, appended to a batch at a time. Half a batch at
its end, of a program that was killed while it wrote, is passed over.
"""

import contextlib
import errno
import io
import os
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from pipeline.scoring.rows import FOLDER, GROUP, SCHEMA, Row, Rows, writing_tables
from shards.arrowmessages import next_message, unpacked_size
from shards.errors import StorageError, os_error_line
from shards.localfiles import regular_file
from shards.storage import Storage

SUFFIX = ".journal"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""Not through a link to another place, and without waiting for the reader of a pipe."""
HELD_SECONDS = 60.0
"""Seconds for which rows are held in memory, where a kill loses them. An hour at 25 frames/s is 60 batches of
1,500 rows."""
_BATCH_BYTES, _ROW_BYTES = 64 << 10, 4096
"""The most bytes that a batch may unpack to, and for each of its rows, which takes 200 and the length of its
names."""
_MESSAGE_BYTES = 2 * (_BATCH_BYTES + GROUP * _ROW_BYTES)
"""The most bytes of a message of a journal, packed or not."""
_END = (pa.ArrowException, StopIteration, EOFError, ValueError, struct.error)
"""What reading a stream raises at its end, and where it is damaged; and OSErrors without a number, which are
of Arrow and not of the system."""


class Journal:
    """A table that is being written.

    Args:
        out: local.
        name: of the table.

    Raises:
        StorageError: it cannot be written.
    """

    def __init__(self, out: Storage, name: str) -> None:
        self._out, self._name, self._path = out, name, _path(out, name)
        self._since: float | None = None
        path = self._path
        with _refused(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.fdopen(os.open(path, _NEW, 0o666), "wb")
            options = pa.ipc.IpcWriteOptions(compression="zstd")
            self._stream = pa.ipc.new_stream(self._file, SCHEMA, options=options)
        self._rows = Rows(self._write)

    def append(self, row: Row) -> None:
        """Add a row.

        Raises:
            StorageError: what was held cannot be written.
        """
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        self._rows.append(row)
        if now - self._since >= HELD_SECONDS:
            self._rows.flush()
            self._since = None

    def finish(self) -> None:
        """Make it a whole table.

        Raises:
            StorageError: it cannot be written.
        """
        try:
            self._rows.flush()
        finally:
            self._file.close()
        publish(self._out, self._name)

    def abandon(self) -> None:
        """Leave what is written for `recover`, as on a full disk; rows that are held are lost."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _write(self, table: pa.Table) -> None:
        with _refused(self._path):
            self._stream.write_table(table)
            self._file.flush()
            os.fsync(self._file.fileno())


def recover(out: Storage) -> None:
    """Make whole tables of what killed programs have left; nobody may be writing there.

    Raises:
        StorageError: of one that cannot be read or written, which stays as it is; the others are tables then.
    """
    refusal: StorageError | None = None
    for name in out.names(FOLDER) if Path(out.path(FOLDER)).is_dir() else ():
        if name.endswith(SUFFIX):
            try:
                publish(out, f"{FOLDER}/{name.removesuffix(SUFFIX)}")
            except StorageError as error:
                refusal = refusal or error
    if refusal is not None:
        raise refusal


def publish(out: Storage, name: str) -> None:
    """Make a table of its journal, which then goes; of one without rows there is none.

    Raises:
        StorageError: the journal cannot be read, or the table not be written; the journal stays as it is.
    """
    path = _path(out, name)
    with _refused(path):
        groups = _groups(path)
        first = next(groups, None)
        if first is not None:
            with writing_tables(out, "parquet", name) as write:
                write(first)
                for table in groups:
                    write(table)
        path.unlink()


def _groups(path: Path) -> Iterator[pa.Table]:
    """What a journal has, some thousand rows at a time."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in _batches(path):
        held.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP or size >= GROUP * _ROW_BYTES:
            yield pa.Table.from_batches(held, SCHEMA).combine_chunks()
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held, SCHEMA).combine_chunks()


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The whole batches with rows of a stream, up to where it is cut off; none of what is no file of its own,
    or not of this program.

    Raises:
        OSError: it cannot be read: there may be more in it than was given.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        return
    with regular_file(str(path), follow=False) as descriptor, _up_to_its_end():
        # Not mapped into memory: a disk that fails would end the process then.
        reader = pa.ipc.MessageReader.open_stream(pa.PythonFile(_Source(descriptor), "r"))
        if pa.ipc.read_schema(next_message(reader, "schema")) != SCHEMA:
            return
        while True:
            message = next_message(reader, "record batch")
            rows, size = unpacked_size(message)
            if not 0 <= rows <= GROUP or size > _BATCH_BYTES + rows * _ROW_BYTES:
                return
            batch = pa.ipc.read_record_batch(message, SCHEMA)
            batch.validate(full=True)
            if rows:
                yield batch


class _Source(io.FileIO):
    """A file of which Arrow reads no more at a time than a message has, whatever the message claims."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, closefd=False)

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _MESSAGE_BYTES:
            raise ValueError(f"has a message of {size} bytes")
        pieces = []
        while size and (piece := super().read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)


@contextlib.contextmanager
def _up_to_its_end() -> Iterator[None]:
    """A block that reads a stream, and ends where that ends or is damaged."""
    try:
        yield
    except MemoryError:  # one of Arrow is among its exceptions, and says nothing of the stream
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from None
    except OSError as error:
        if error.errno is not None:
            raise
    except _END:
        pass


def _path(out: Storage, name: str) -> Path:
    return Path(out.path(f"{name}{SUFFIX}"))


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(os_error_line(error, str(path))) from error
