"""Runs code that is attacked in a process of its own, with a limit of memory and of time."""

import functools
import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass

from tests.helpers.commands import ROOT, untraced

MEMORY = 860_000_000
"""Bytes of address space that an attack may take beside what the interpreter with torch holds: 1.5 GB in all
where torch was built for the CPU alone."""
_FEW = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Each thread of a library, each arena of malloc and Arrow's own malloc (1 GB) would reserve address space
that nobody uses."""
_RESIDENT = """
import json, pathlib, resource, sys, time


def most_resident():
    # Of this program alone, unlike ru_maxrss, which begins with what the parent held.
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
"""
_TORCH = f"""{_RESIDENT}
before = most_resident()
import torch
pages = int(pathlib.Path("/proc/self/statm").read_text().split()[0])
print(json.dumps([pages * resource.getpagesize(), most_resident() - before]))
"""
_FRAME = f"""{_RESIDENT}
{{imports}}
before, had_torch = most_resident(), "torch" in sys.modules
resource.setrlimit(resource.RLIMIT_AS, ({{space}}, {{space}}))
started, error = time.monotonic(), None
try:
{{body}}
except Exception as raised:
    error = [type(raised).__name__, str(raised)]
seconds, imported = time.monotonic() - started, "torch" in sys.modules and not had_torch
print(json.dumps([error, seconds, most_resident() - before - imported * {{torch}}]))
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What became of the code.

    Attributes:
        error: name of the class and text of what it raised, or None.
        seconds: that it took, without its imports.
        peak: by how much the most resident memory grew, bytes; what torch takes is not counted.
    """

    error: tuple[str, str] | None
    seconds: float
    peak: int


@functools.cache
def _torch() -> tuple[int, int]:
    """Bytes of address space of a process that has imported torch, and those that became resident by it: 0.6
    and 0.2 GB with the build for the CPU alone, 3.2 and 0.5 GB with that for CUDA 13, without a GPU, too."""
    space, resident = json.loads(_output(_TORCH, (), 120))
    return space, resident


def limited(body: str, *arguments: object, imports: str = "", seconds: float = 30) -> Measured:
    """Run code in a process that is refused more than MEMORY, and killed after `seconds`.

    Args:
        body: statements.
        arguments: in `sys.argv[1:]`.
        imports: statements before them that the limit does not count.
        seconds: of the clock; subprocess.TimeoutExpired when they are over.
    """
    space, resident = _torch()
    code = _FRAME.format(
        imports=textwrap.dedent(imports),
        body=textwrap.indent(textwrap.dedent(body), "    "),
        space=MEMORY + space,
        torch=resident,
    )
    error, took, peak = json.loads(_output(code, arguments, seconds))
    return Measured(error=tuple(error) if error else None, seconds=took, peak=peak)


def _output(code: str, arguments: tuple[object, ...], seconds: float) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**untraced(), **_FEW},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"ended with code {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout.splitlines()[-1]
