"""BLAKE3, the digest of stored bytes: nobody can make other bytes for it, and it is as fast as a checksum.

One core of a Zen 4 computes it at 5.9 GB/s, SHA-256 at 1.8, CRC-32 (which can be forged) at 4.2.
"""

import re
from collections.abc import Iterable

from blake3 import blake3

Hasher = blake3
"""The class that hashes bytes which come bit by bit, with `update` and `hexdigest` as in hashlib; it releases
the GIL."""

_DIGEST = re.compile("[0-9a-f]{64}")


def digest_of(pieces: Iterable[bytes | bytearray | memoryview]) -> str:
    """The digest of consecutive pieces: 64 hexadecimal digits."""
    hasher = Hasher()
    for piece in pieces:
        hasher.update(piece)
    return hasher.hexdigest()


def sum_line(name: str, digest: str) -> bytes:
    """What `b3sum` prints for a file; the digest of a folder of images is that of the lines of all."""
    return f"{digest}  {name}\n".encode("utf-8", "surrogateescape")


def is_digest(value: object) -> bool:
    """Whether a value of a foreign file is what `digest_of` gives, and so safe as a file name."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None
