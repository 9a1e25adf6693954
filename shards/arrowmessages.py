"""The messages of an Arrow stream, looked at before Arrow unpacks anything of them.

Arrow verifies the tables (flatbuffers) of a message when it reads it; what these claim of the message's body
it believes.
"""

import struct
from typing import Any

_HEADER = 2
"""The field of a message with its schema or record batch."""
_LENGTH, _BUFFERS, _COMPRESSION = 0, 2, 3
"""Fields of a record batch."""


def next_message(reader: Any, kind: str) -> Any:
    """The next message, of this kind: Arrow looks into one of no kind, and the process dies of it.

    Args:
        reader: a MessageReader.
        kind: as Arrow names it.

    Raises:
        ValueError: it is of another kind.
        StopIteration, EOFError, OSError, ArrowException: there is none, or half of one.
    """
    message = reader.read_next_message()
    if message.type != kind:
        raise ValueError(f"has a message of the kind {message.type}, expected {kind}")
    return message


def is_compressed(metadata: bytes) -> bool:
    """Whether a message says that its buffers are compressed: they might unpack to any size.

    Raises:
        struct.error: it is cut short.
    """
    batch = _batch(metadata)
    return batch is None or _field(metadata, batch, _COMPRESSION) != 0


def unpacked_size(message: Any) -> tuple[int, int]:
    """Rows of a record batch, and bytes of its buffers when they are unpacked, as it claims them.

    Raises:
        ValueError: it claims what it cannot have.
        struct.error: it is cut short.
    """
    metadata, body = message.metadata.to_pybytes(), memoryview(message.body)
    batch = _batch(metadata)
    if batch is None:
        raise ValueError("has a record batch of nothing")
    length = _field(metadata, batch, _LENGTH)
    rows = struct.unpack_from("<q", metadata, length)[0] if length else 0
    packed = _field(metadata, batch, _COMPRESSION) != 0
    total = 0
    for start, size in _buffers(metadata, batch):
        if start < 0 or size < 0 or start + size > len(body):
            raise ValueError("has buffers outside its body")
        unpacked = struct.unpack_from("<q", body, start)[0] if packed and size else -1
        total += size if unpacked < 0 else unpacked  # -1 says that it would not have become smaller
    return rows, total


def _batch(metadata: bytes) -> int | None:
    """Where the record batch of a message lies."""
    root = struct.unpack_from("<I", metadata)[0]
    at = _field(metadata, root, _HEADER)
    return at + struct.unpack_from("<I", metadata, at)[0] if at else None


def _buffers(metadata: bytes, batch: int) -> list[tuple[int, int]]:
    """Start and bytes of each buffer in the body."""
    at = _field(metadata, batch, _BUFFERS)
    if not at:
        return []
    at += struct.unpack_from("<I", metadata, at)[0]
    count = struct.unpack_from("<I", metadata, at)[0]
    numbers = struct.unpack_from(f"<{2 * count}q", metadata, at + 4)
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def _field(metadata: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffers table lies, 0 if it is not there."""
    entries = table - struct.unpack_from("<i", metadata, table)[0]
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", metadata, entries)[0]:
        return 0
    offset = struct.unpack_from("<H", metadata, entries + at)[0]
    return table + offset if offset else 0
