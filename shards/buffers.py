"""Bytes that belong into several places."""

from collections.abc import Sequence


def scatter(data: memoryview, buffers: Sequence[memoryview], offset: int) -> None:
    """Copy `data` into consecutive `buffers`, `offset` bytes after the start of the first."""
    for buffer in buffers:
        if offset < len(buffer):
            part = min(len(data), len(buffer) - offset)
            buffer[offset : offset + part] = data[:part]
            data = data[part:]
            offset = 0
            if not data:
                return
        else:
            offset -= len(buffer)
