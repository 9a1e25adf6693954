"""Where the tables of a set lie: files that are named by the digest of their content, and never change.

A local file is mapped into memory, so that all processes of a machine share it. A remote one is fetched into
the cache of the local disk once, and then mapped from there.
"""

import mmap
import os
from functools import partial
from typing import Any

from shards.cache import default_cache
from shards.digests import Hasher, digest_of
from shards.errors import CorruptShardError, ShardError
from shards.limits import MOST_TABLE_BYTES
from shards.localfiles import regular_file
from shards.names import table_name
from shards.storage import Storage
from shards.tables import TABLES, Part, TableFile, Tables, decoded, encoded

_BLOCK = 8 << 20
"""Bytes that are hashed at a time, and of a mapped file held in memory for it."""
_REQUEST = 64 << 20
"""Bytes of a remote table that are asked for at a time, so that memory is taken as they arrive."""


def write_part(storage: Storage, tables: Tables) -> Part:
    """Write the three tables of a part; they say nothing of a set until its manifest names them."""
    return Part(*(write_table(storage, *each) for each in zip(TABLES, tables.batches(), strict=True)))


def write_table(storage: Storage, table: str, batch: Any) -> TableFile:
    """Write one table under the name that its content gives it."""
    data = encoded(batch)
    file = _described(batch, data)
    storage.write(table_name(table, file.digest), memoryview(data))
    return file


def part_of(tables: Tables) -> Part:
    """What `write_part` gives for tables, without writing them."""
    return tables.part or Part(*(_described(batch, encoded(batch)) for batch in tables.batches()))


def _described(batch: Any, data: Any) -> TableFile:
    return TableFile(rows=batch.num_rows, bytes=len(data), digest=digest_of([memoryview(data)]))


def read_part(storage: Storage, part: Part) -> Tables:
    """Open the tables of a part, and check that their bytes are those that were written.

    Raises:
        ShardError: a file is missing or cannot be read.
        CorruptShardError: its bytes are others, or no such table.
    """
    batches = (read_table(storage, *each) for each in zip(TABLES, part, strict=True))
    return Tables(*batches, part=part, where=f"{storage}/{table_name('videos', part.videos.digest)}")


def read_table(storage: Storage, table: str, file: TableFile) -> Any:
    """Open one table, see `read_part`."""
    name = table_name(table, file.digest)
    where = f"{storage}/{name}"
    try:
        if file.bytes > MOST_TABLE_BYTES:
            raise ValueError(f"is said to have {file.bytes} bytes, expected at most {MOST_TABLE_BYTES}")
        is_local = storage.is_local
        buffer = _mapped(storage.path(name), file) if is_local else _fetched(storage, name, file)
        return decoded(table, buffer, file.rows)
    except FileNotFoundError:
        raise ShardError(f"{where}: not found, though the manifest lists it; run preprocess again") from None
    except ValueError as error:
        raise CorruptShardError(f"{where}: {error}; run preprocess again") from None
    except OSError as error:
        raise ShardError(f"{where}: cannot be read: {error.strerror or error}; check the disk") from error


def _mapped(path: str, file: TableFile, *, follow: bool = True) -> mmap.mmap | bytes:
    with regular_file(path, follow=follow) as descriptor:
        size = os.fstat(descriptor).st_size
        _check_size(size, file)
        if not size:
            return b""
        mapped = mmap.mmap(descriptor, size, access=mmap.ACCESS_READ)
    hasher = Hasher()
    with memoryview(mapped) as view:
        for start in range(0, size, _BLOCK):
            with view[start : start + _BLOCK] as block:
                hasher.update(block)
            mapped.madvise(mmap.MADV_DONTNEED, start, min(_BLOCK, size - start))
    _check_digest(hasher.hexdigest(), file)
    return mapped


def _fetched(storage: Storage, name: str, file: TableFile) -> mmap.mmap | bytes | bytearray:
    cache = default_cache()
    kept = partial(_mapped, cache.used(file.digest), file, follow=False)
    try:
        return kept()
    except OSError:
        pass  # it is not there
    except ValueError:
        cache.drop(file.digest)
    data = _downloaded(storage, name, file)
    cache.put(file.digest, [memoryview(data)])
    try:
        return kept()
    except (OSError, ValueError):
        return data  # the cache is full, or keeps nothing


def _downloaded(storage: Storage, name: str, file: TableFile) -> bytearray:
    data = bytearray()
    while len(data) < file.bytes:
        block = memoryview(bytearray(min(_REQUEST, file.bytes - len(data))))
        filled, _ = storage.read_into(name, len(data), [block])
        data += block[:filled]
        if filled < len(block):
            break
    _check_size(len(data), file)
    _check_digest(digest_of([data]), file)
    return data


def _check_size(size: int, file: TableFile) -> None:
    if size != file.bytes:
        raise ValueError(f"found {size} bytes, expected {file.bytes}")


def _check_digest(digest: str, file: TableFile) -> None:
    if digest != file.digest:
        raise ValueError(f"found bytes of digest {digest[:16]}, expected {file.digest[:16]}")
