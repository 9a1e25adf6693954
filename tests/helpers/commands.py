"""The commands as a user runs them: real processes that can be watched and killed."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
TIMEOUT = 300.0
"""Seconds that anything may take."""


def command(*args: object, processes: int = 1, restarts: int = 0) -> list[str]:
    """`cli.py` with its arguments, under torchrun where several processes are asked for."""
    launcher = [sys.executable]
    if processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        launcher += ["--max-restarts", str(restarts)]
    return [*launcher, "cli.py", *map(str, args)]


def untraced() -> dict[str, str]:
    """The environment without what starts coverage: for processes whose time counts, or that run a copy."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


@contextlib.contextmanager
def started(args: list[str]) -> Iterator[subprocess.Popen[str]]:
    """A running command with its output captured; killed, with all it started, if it outlives the block."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        args,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.communicate()


_HELD = """
import functools, importlib, os, sys, time, cli

module, path, call, folder = (sys.argv.pop(1) for _ in range(4))
*outer, name = path.split(".")
owner = functools.reduce(getattr, outer, importlib.import_module(module))
real, calls = getattr(owner, name), []


def held(*given, **named):
    calls.append(None)
    if len(calls) == int(call):
        open(f"{folder}/held", "w").close()
        while not os.path.exists(f"{folder}/released"):
            time.sleep(0.01)
    return real(*given, **named)


setattr(owner, name, held)
cli.main()
"""


@contextlib.contextmanager
def held(
    args: list[str], folder: Path, module: str, name: str, *, call: int = 1
) -> Iterator[subprocess.Popen[str]]:
    """A running command that waits at a call of one of its functions until `release` is called.

    Args:
        args: as `command` makes them.
        folder: for this, which the command does not use.
        module, name: of the function.
        call: its number, from 1.
    """
    with started([args[0], "-c", _HELD, module, name, str(call), str(folder), *args[2:]]) as process:
        wait_for_file(folder / "held", process)
        yield process


def release(folder: Path) -> None:
    """Let a command go on that `held` holds."""
    (folder / "released").touch()


def wait_for_file(path: Path, process: "subprocess.Popen[Any]") -> None:
    """Return when a command has made a file."""
    deadline = time.monotonic() + TIMEOUT
    while not path.exists():
        assert process.poll() is None, f"ended without {path}: {process.communicate()[1]}"
        assert time.monotonic() < deadline, f"{path} does not come in {TIMEOUT} s"
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and whose end nobody has asked for (Z) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """The processes that a process has started and that are there; none of one that has ended."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def run(args: list[str]) -> subprocess.CompletedProcess[str]:
    """A command run to its end."""
    with started(args) as process:
        out, err = process.communicate(timeout=TIMEOUT)
        return subprocess.CompletedProcess(args, process.returncode, out, err)


def metrics(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a run's metrics.jsonl so far."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def wait_for_step(folder: Path, step: int, process: subprocess.Popen[str]) -> None:
    """Return when the run has finished `step` steps."""
    deadline = time.monotonic() + TIMEOUT
    while all(line["step"] < step for line in metrics(folder)):
        assert process.poll() is None, f"ended before step {step}: {process.communicate()[1]}"
        assert time.monotonic() < deadline, f"step {step} is not reached in {TIMEOUT} s"
        time.sleep(0.02)
