"""Runs code that is attacked in a process of its own, with a limit of memory and of time."""

import json
import subprocess
import sys
import textwrap
from dataclasses import dataclass

from tests.helpers.commands import ROOT, untraced

MEMORY = 1_500_000_000
"""Bytes of address space: all that an attack may take, the interpreter and libraries included."""

_FRAME = """
import json, pathlib, resource, sys, time
{imports}


def most_resident():
    # Of this program alone, unlike ru_maxrss, which begins with what the parent held.
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


before = most_resident()
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
started, error = time.monotonic(), None
try:
{body}
except Exception as raised:
    error = [type(raised).__name__, str(raised)]
print(json.dumps([error, time.monotonic() - started, most_resident() - before]))
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What became of the code.

    Attributes:
        error: name of the class and text of what it raised, or None.
        seconds: that it took, without its imports.
        peak: by how much the most resident memory grew, bytes.
    """

    error: tuple[str, str] | None
    seconds: float
    peak: int


def limited(body: str, *arguments: object, imports: str = "", seconds: float = 30) -> Measured:
    """Run code in a process that is refused more than MEMORY, and killed after `seconds`.

    Args:
        body: statements.
        arguments: in `sys.argv[1:]`.
        imports: statements before them that the limit does not count.
        seconds: of the clock; subprocess.TimeoutExpired when they are over.
    """
    body = textwrap.indent(textwrap.dedent(body), "    ")
    code = _FRAME.format(imports=textwrap.dedent(imports), body=body, memory=MEMORY)
    # Each thread of a library, each arena of malloc and Arrow's own malloc (1 GB) would reserve address space
    # that nobody uses.
    few = {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT,
        env={**untraced(), **few},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"ended with code {done.returncode}: {done.stderr[-2000:]}"
    error, took, peak = json.loads(done.stdout.splitlines()[-1])
    return Measured(error=tuple(error) if error else None, seconds=took, peak=peak)
