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
        place, free = f"on {device}", torch.cuda.mem_get_info(device)[0]
    else:
        place, free = "in memory", available_memory()
    if needed > free:
        remedy = "smaller frames" if cache == "none" else "--cache none"
        raise ShardError(
            f"--cache {cache}: {needed / 1e9:.1f} GB of frames do not fit {place}, {free / 1e9:.1f} GB are "
            f"free; use {remedy}, or more processes"
        )


def available_memory() -> int:
    """Bytes that this process may still take, by the machine and by the limit of its container."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except OSError:  # not Linux
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no such limit
        return free
    return min(free, max(0, limit))
