"""A limit of the memory that decoders of foreign files may ask for."""

import resource
from pathlib import Path

DECODING_SPACE = 3 << 30
"""Bytes of address space that decoding may take: 1.1 GB for the largest image, 0.8 GB for a video of 8K with
16 reference frames, 0.4 GB for decord; twice that, for reserves of threads and pools that stay untouched."""


def address_space() -> int:
    """Bytes of address space that this process holds, 0 where that is not known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def limit_address_space(held: int, beside: int) -> None:
    """Let a decoder that a hostile file makes ask for more and more run into a wall before the machine does.

    Args:
        held: bytes that libraries took before any work, see `address_space`; 0 sets no limit.
        beside: bytes that the work itself holds beside what the decoder takes.
    """
    if held:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = held + DECODING_SPACE + beside
        soft = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_AS, (soft, most))
