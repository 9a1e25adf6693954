"""Reads single segments by their byte offset, and checks every byte before it becomes a frame."""

import zlib
from types import TracebackType
from typing import Any

import numpy as np

from shards.errors import CorruptShardError, ShardError
from shards.manifest import Located, Manifest
from shards.storage import Storage


class SegmentReader:
    """Random access to the segments of one set; safe to use from several threads.

    Args:
        storage, manifest: of the set.
    """

    def __init__(self, storage: Storage, manifest: Manifest) -> None:
        self._storage = storage
        self._manifest = manifest
        self._files: dict[str, Any] = {}

    def __enter__(self) -> "SegmentReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def read(self, located: Located) -> np.ndarray:
        """Frames uint8 (F, H, W, C) of a segment, C = 1 or 3 as stored; read-only.

        Raises:
            ShardError: the shard is missing.
            CorruptShardError: its bytes are not those that were written; names shard and segment.
        """
        segment, geometry = located.segment, self._manifest.geometry
        where = f"{self._storage}/{located.shard}: segment {segment.key}"
        record = self._file(located.shard).read_at(segment.size, segment.offset)
        if len(record) != segment.size:
            raise CorruptShardError(
                f"{where}: found {len(record)} bytes at {segment.offset}, expected {segment.size}; "
                "the shard is truncated: run preprocess again"
            )
        data = memoryview(record)
        found = zlib.crc32(data)
        if found != segment.crc32:
            raise CorruptShardError(
                f"{where}: found CRC-32 {found:08x}, expected {segment.crc32:08x}; "
                "the shard was damaged or replaced: run preprocess again"
            )
        shape = (segment.frames, geometry.height, geometry.width, segment.channels)
        try:
            return self._manifest.codec.decode(data, shape)
        except CorruptShardError as error:
            raise CorruptShardError(f"{where}: {error}; run preprocess again") from error

    def _file(self, name: str) -> Any:
        if name not in self._files:
            try:
                self._files[name] = self._storage.open(name)
            except FileNotFoundError:
                raise ShardError(
                    f"{self._storage}/{name}: not found, though the manifest lists it; run preprocess again"
                ) from None
        return self._files[name]
