"""Reads single segments by their byte offset; no byte becomes a frame unchecked.

A segment's digest is computed when it is first read, and again when its file has changed since. What is
remote is checked whenever it has crossed the network, and kept in a cache on the local disk.
"""

import contextlib
import math
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from shards.buffers import scatter
from shards.cache import DiskCache, default_cache
from shards.digests import digest_of
from shards.errors import CorruptShardError, ShardError
from shards.localfiles import Version
from shards.manifest import Manifest
from shards.rows import Located
from shards.storage import Storage

TRANSFERS = 3
"""How often a segment is fetched from a remote storage before its digest is believed to be wrong."""
RUN_BYTES = 16 << 20
"""The most bytes of pixels of neighbouring segments that one request fetches: two segments of 256x256 in
colour, 37 of 64x64. At 100 MB/s they take five times as long as the 30 ms in which a bucket begins to
answer."""


class SegmentReader:
    """Random access to the segments of one set; safe to use from several threads.

    Args:
        storage, manifest: of the set.
        cache: for a remote storage; None for the default one.
    """

    def __init__(self, storage: Storage, manifest: Manifest, cache: DiskCache | None = None) -> None:
        self._storage = storage
        self._manifest = manifest
        self._codec = manifest.codec.pixels
        self._cache = None if storage.is_local else cache or default_cache()
        self._checked: dict[str, tuple[Version, set[int]]] = {}
        self._cached: dict[tuple[str, int], Version] = {}
        self._scratch = threading.local()

    def read(self, located: Located) -> np.ndarray:
        """Frames uint8 (F, H, W, C) of a segment, C = 1 or 3 as stored; see `read_into`."""
        frames = np.empty(self._shape(located), np.uint8)
        self.read_into(located, frames)
        return frames

    def runs(self, segments: Iterable[Located]) -> Iterator[list[Located]]:
        """Segments in the order in which they are given, those together that one request can fetch."""
        run: list[Located] = []
        held = 0
        for located in segments:
            size = math.prod(self._shape(located))
            if run and (held + size > RUN_BYTES or not self._follows(run[-1], located)):
                yield run
                run, held = [], 0
            run.append(located)
            held += size
        if run:
            yield run

    def _follows(self, before: Located, after: Located) -> bool:
        """Whether the second of two segments lies right behind the first on a remote storage."""
        end = before.segment.offset + before.segment.size
        return self._cache is not None and (before.shard, end) == (after.shard, after.segment.offset)

    def read_run(self, run: Sequence[Located]) -> list[np.ndarray]:
        """Frames of the segments of a run, see `runs` and `read`."""
        fetched = self._fetched(run) if len(run) > 1 else {}
        found = []
        for located in run:
            frames = np.empty(self._shape(located), np.uint8)
            self._read_into(located, frames, fetched.get(located.segment.digest))
            found.append(frames)
        return found

    def _fetched(self, run: Sequence[Located]) -> Mapping[str, memoryview]:
        """The records of neighbours that are not in the cache, by their digests, which are right.

        One that came damaged is left out: it is fetched again alone, which says what is wrong with it.
        """
        assert self._cache is not None
        missing = [located for located in run if not self._cache.has(located.segment.digest)]
        if len(missing) < 2:
            return {}
        first, last = missing[0].segment, missing[-1].segment
        data = memoryview(bytearray(last.offset + last.size - first.offset))
        with contextlib.suppress(FileNotFoundError):
            self._storage.read_into(run[0].shard, first.offset, [data])
        found: dict[str, memoryview] = {}
        for segment in (located.segment for located in missing):
            record = data[segment.offset - first.offset :][: segment.size]
            if digest_of([record]) == segment.digest:
                self._cache.put(segment.digest, [record])
                found[segment.digest] = record
        return found

    def read_into(self, located: Located, frames: np.ndarray) -> None:
        """Fill frames uint8 (F, H, W, C), contiguous; where C is 3, gray segments are restored.

        Raises:
            ShardError: the shard is missing or cannot be read.
            CorruptShardError: its bytes are not those that were written; names shard and segment.
        """
        if frames.shape == self._shape(located):
            self._read_into(located, frames, None)
        else:
            frames[...] = self.read(located)

    def _read_into(self, located: Located, frames: np.ndarray, fetched: memoryview | None) -> None:
        """As `read_into`, from a record that was fetched and checked, if there is one."""
        try:
            fill = partial(self._fill, located) if fetched is None else partial(_copy, fetched)
            self._codec.read_into(
                located.segment.size, located.segment.key, frames, self._record_buffer, fill
            )
        except CorruptShardError as error:
            raise CorruptShardError(
                f"{self._storage}/{located.shard}: segment {located.segment.key}: {error}; "
                "run preprocess again"
            ) from None
        except FileNotFoundError:
            raise ShardError(
                f"{self._storage}/{located.shard}: not found, though the manifest lists it; "
                f"{self._storage.remake}"
            ) from None
        except OSError as error:
            raise ShardError(
                f"{self._storage}/{located.shard}: segment {located.segment.key}: cannot be read: "
                f"{error.strerror or error}; check the disk"
            ) from error

    def _fill(self, located: Located, buffers: Sequence[memoryview]) -> bool:
        """Fill `buffers` with a segment's record; True if its digest was computed, and is right."""
        if self._cache is None:
            return self._fill_from_file(located, buffers)
        key = located.segment.digest
        found = self._cache.read_into(key, buffers)
        if found is not None:
            if self._cached.get((located.shard, located.segment.offset)) == found:
                return False
            if digest_of(buffers) == key:
                self._cached[located.shard, located.segment.offset] = found
                return True
            self._cache.drop(key)
        for transfer in range(TRANSFERS):
            filled, _ = self._storage.read_into(located.shard, located.segment.offset, buffers)
            try:
                self._check(located, buffers, filled)
                break
            except CorruptShardError:
                if transfer == TRANSFERS - 1:
                    raise
        self._cache.put(key, buffers)
        return True

    def _fill_from_file(self, located: Located, buffers: Sequence[memoryview]) -> bool:
        filled, version = self._storage.read_into(located.shard, located.segment.offset, buffers)
        checked = set() if version is None else self._checked_in(located.shard, version)
        if located.segment.offset in checked:
            return False
        self._check(located, buffers, filled)
        checked.add(located.segment.offset)
        return True

    def _checked_in(self, shard: str, version: Version) -> set[int]:
        """Where the segments start that were checked in this version of a file; any other one is forgotten.

        So a segment takes 95 bytes; with a version of its own it took 366, of a million clips 366 MB.
        """
        known = self._checked.get(shard)
        if known is None or known[0] != version:
            known = self._checked[shard] = (version, set())
        return known[1]

    def _check(self, located: Located, buffers: Sequence[memoryview], filled: int) -> None:
        segment = located.segment
        if filled != segment.size:
            raise CorruptShardError(
                f"found {filled} bytes at {segment.offset}, expected {segment.size}; the shard is truncated"
            )
        found = digest_of(buffers)
        if found != segment.digest:
            raise CorruptShardError(
                f"found bytes of digest {found[:16]}, expected {segment.digest[:16]}; the shard was damaged "
                "or replaced after preprocess wrote it"
            )

    def _shape(self, located: Located) -> tuple[int, int, int, int]:
        geometry = self._manifest.geometry
        return located.segment.frames, geometry.height, geometry.width, located.segment.channels

    def _record_buffer(self, size: int) -> memoryview:
        """Memory of this thread for `size` bytes, used again by its next read."""
        if len(getattr(self._scratch, "buffer", b"")) < size:
            self._scratch.buffer = bytearray(size)
        return memoryview(self._scratch.buffer)[:size]


def _copy(record: memoryview, buffers: Sequence[memoryview]) -> bool:
    """As `SegmentReader._fill`, with a record that was checked just now."""
    scatter(record, buffers, 0)
    return True
