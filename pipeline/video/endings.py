"""Files that are cut off, known by what they say of their own length.

FFmpeg reads these containers up to where they end, and says nothing of what is missing.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

_RUN_IN = 1 << 16
"""The most bytes before the header of an MXF file."""
_PARTITION = bytes.fromhex("060e2b34020501010d0102010102")
"""How the key of an MXF partition begins; kind, state and a byte more follow."""
_FOOTER = 24
"""Where in a partition the place of the last one stands, behind two versions, a grid and two other places."""


def missing_end(path: Path, container: str, last: tuple[int, int] | None) -> str | None:
    """How one sees that a file was cut off, or None.

    Args:
        path: of the file.
        container: as FFmpeg names it.
        last: place and size of the last packet that was read, where known.
    """
    look = _LOOKS.get(container)
    if look is None:
        return None
    with path.open("rb") as file:
        return look(file, os.fstat(file.fileno()).st_size, last)


def _y4m(file: IO[bytes], size: int, last: tuple[int, int] | None) -> str | None:
    """Behind the last whole frame there may be nothing."""
    if last is None:
        return None
    place, length = last
    rest = size - (place + length)
    return f"the file ends with {rest} bytes of a frame that has {length}" if rest > 0 else None


def _avi(file: IO[bytes], size: int, last: tuple[int, int] | None) -> str | None:
    """Each list says how long it is; that of a recorder that was switched off is said to have no bytes."""
    place = 0
    while place + 8 <= size:
        file.seek(place)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] != b"RIFF" or not length:
            return None
        place += 8 + length + length % 2
    # A byte that fills up may be missing; and where a writer did not know the length, all bits may be set.
    if place > size + 1 and length < (1 << 32) - (1 << 16):
        return f"the file ends after {size} bytes, where its RIFF list goes on to {place}"
    return None


def _mxf(file: IO[bytes], size: int, last: tuple[int, int] | None) -> str | None:
    """The header of one that was closed says where its footer lies."""
    data = file.read(_RUN_IN + 256)
    start = data.find(_PARTITION)
    if start < 0:
        return None
    length = start + 16
    body = length + 1 + (data[length] & 0x7F if data[length : length + 1] > b"\x80" else 0)
    footer = int.from_bytes(data[body + _FOOTER : body + _FOOTER + 8], "big")
    if start + footer >= size:
        return f"the file ends after {size} bytes, where its footer lies at {start + footer}"
    return None


_LOOKS: Mapping[str, Callable[[IO[bytes], int, tuple[int, int] | None], str | None]] = {
    "avi": _avi,
    "mxf": _mxf,
    "yuv4mpegpipe": _y4m,
}
