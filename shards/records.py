"""Records of a shard as tar entries, in the one form that the writer gives them.

Whatever else a tar could hold - another member, a link, an extended header - has no place in a record, so no
other reader of the same tar can find there what this one did not check.
"""

import json
import tarfile
from collections.abc import Mapping, Sequence

from shards.errors import CorruptShardError

BLOCK = tarfile.BLOCKSIZE
"""Tar pads everything to blocks of this many bytes."""

END_OF_TAR = bytes(2 * BLOCK)
"""What a shard ends with."""


def _blank_header() -> bytes:
    entry = tarfile.TarInfo("")
    entry.mode, entry.mtime = 0o644, 0
    return entry.tobuf(tarfile.USTAR_FORMAT)


_BLANK = _blank_header()


def entry_header(name: str, size: int) -> bytes:
    """The tar header of a plain file without owner and time: `TarInfo.tobuf`, at a third of its 13 us."""
    header = bytearray(_BLANK)
    header[: len(name)] = name.encode("ascii")
    header[124:135] = b"%011o" % size
    header[148:156] = b" " * 8  # the checksum counts itself as spaces
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


def metadata(*, video: str, first: int, frames: int, channels: int) -> bytes:
    """The content of a record's member `json`."""
    facts = {"channels": channels, "first": first, "frames": frames, "video": video}
    return json.dumps(facts, sort_keys=True).encode()


def record(key: str, members: Mapping[str, Sequence[bytes | memoryview]]) -> list[bytes | memoryview]:
    """The tar entries of one record, in pieces, as webdataset's own writer makes them; no end of archive.

    Made here because importing webdataset imports torch, which no worker needs.

    Args:
        key: what the record is called, without dots.
        members: extension to the pieces of its content.
    """
    pieces: list[bytes | memoryview] = []
    for extension, content in sorted(members.items()):
        size = sum(map(len, content))
        pieces += [entry_header(f"{key}.{extension}", size), *content, bytes(-size % BLOCK)]
    return pieces


def parted(pieces: Sequence[bytes | memoryview]) -> tuple[bytes, bytes | memoryview, bytes]:
    """What stands before the pixels of a record, its largest piece; these; and what stands after them."""
    at = max(range(len(pieces)), key=lambda number: len(pieces[number]))
    return b"".join(pieces[:at]), pieces[at], b"".join(pieces[at + 1 :])


def members(record: memoryview, key: str, extensions: Sequence[str]) -> list[memoryview]:
    """The contents of a record's members, views into it.

    Args:
        record: its bytes.
        key: what it is called.
        extensions: of its members, all of them, sorted.

    Raises:
        CorruptShardError: these are not exactly its members.
    """
    found = []
    position = 0
    for extension in extensions:
        content, position = member(record, position, f"{key}.{extension}")
        found.append(content)
    if position != len(record):
        raise CorruptShardError(f"found more than the members {', '.join(extensions[-2:])} in the record")
    return found


def member(record: memoryview, position: int, name: str) -> tuple[memoryview, int]:
    """The content of the member `name`, whose entry starts at `position`, and where the next one starts."""
    size = _size(record, position, name)
    start = position + BLOCK
    end = start + size
    following = end + -size % BLOCK
    if following > len(record) or any(record[end:following]):
        raise CorruptShardError(f"the tar entry at byte {position} does not fit its record")
    return record[start:end], following


def _size(record: memoryview, position: int, name: str) -> int:
    """What the header at `position` states, which must be the one that `entry_header` makes."""
    header = bytes(record[position : position + BLOCK])
    try:
        size = int(header[124:135], 8)
    except ValueError:
        size = -1
    if size < 0 or header != entry_header(name, size):
        raise CorruptShardError(f"found another tar entry than the member {name} at byte {position}")
    return size
