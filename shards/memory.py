"""Decoded segments kept in host memory, and whether they fit.

The memory belongs to the process alone, without a name: nothing of it is left when the process dies.
"""

import os
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from shards.errors import ShardError
from shards.rows import Located

_GROUP = Path("/sys/fs/cgroup")
"""Where the kernel tells of the limits of the process's container."""


class Source(Protocol):
    """Where segments come from."""

    def read_into(self, located: Located, frames: np.ndarray) -> None:
        """Fill frames uint8 (F, H, W, C) of a segment."""


class SegmentMemory:
    """Segments of another source, kept after they were first read; safe to use from several threads.

    Args:
        source: where they come from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: dict[tuple[str, int], np.ndarray] = {}

    @property
    def kept(self) -> int:
        """Segments that it has."""
        return len(self._kept)

    def read_into(self, located: Located, frames: np.ndarray) -> None:
        """Fill frames uint8 (F, H, W, C) of a segment."""
        place = (located.shard, located.segment.offset)
        kept = self._kept.get(place)
        if kept is None:
            self._source.read_into(located, frames)
            self._kept[place] = frames.copy()
        else:
            frames[...] = kept


def check_room(needed: int, cache: str, device: torch.device) -> None:
    """Whether `needed` bytes of decoded frames fit.

    Raises:
        ShardError: they do not.
    """
    if cache != "ram" and device.type == "cuda":
        place, free = f"on {device}", _free_on(device)
    else:
        place, free = "in memory", available_memory()
    if needed > free:
        remedy = "smaller frames" if cache == "none" else "--cache none"
        raise ShardError(
            f"--cache {cache}: {needed / 1e9:.1f} GB of frames do not fit {place}, {free / 1e9:.1f} GB are "
            f"free; use {remedy}, or more processes"
        )


def _free_on(device: torch.device) -> int:
    """Bytes that this process may still take on a GPU: what the driver gives, and what torch keeps of it."""
    # torch gives a block that was freed, as that of an earlier pool, not back to the driver: it serves the
    # next one from it, or gives it back when the driver has no other.
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + kept


def available_memory() -> int:
    """Bytes that this process may still take, by the machine and by the limit of its container."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except OSError:  # not Linux
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        limit = int((_GROUP / "memory.max").read_text()) - int((_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no such limit
        return free
    return min(free, max(0, limit + _reclaimed()))


def _reclaimed() -> int:
    """Bytes of files that the kernel keeps on the container's account until somebody needs the memory.

    Those of shards that were read are among them, so that without them little is left after an epoch.
    """
    try:
        lines = (_GROUP / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, StopIteration):
        return 0
