"""Freed memory stays with the process."""

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource, sys
import torch
from pipeline.processes.allocator import keep_freed_memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: 2 MiB at a fault would hide the 4 KiB pages
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(16):  # glibc sets the first fragments of aligned memory aside
    torch.ones(2**24)  # 64 MiB, 16384 pages; glibc keeps up to 32 by itself
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc")
def test_kept_memory_is_not_cleared_anew_by_the_kernel() -> None:
    assert page_faults("kept") < 100
    assert page_faults("as it is") > 4 * 16000
