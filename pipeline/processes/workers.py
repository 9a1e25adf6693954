"""A process that works for this one, so that it may die, hang or leak alone.

Both sides speak in lines: the worker is told what to do on its standard input, and answers in JSON on its
standard output.
"""

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from pipeline.errors import ShardError, SourceError, UserError
from pipeline.processes.children import module_command, module_environment
from shards.errors import os_error_line

RESIDENT_LIMIT = 600 << 20
"""A worker that has ever held more than this many bytes is replaced before it is given more to do."""
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""Makes glibc keep what a video used for the next: fresh pages took 8 % of the CPU time per 256x256 frame."""

ENDING_SECONDS = 10.0
"""A worker whose output has ended has at most so many to end itself, which takes it some milliseconds."""
_MOST_MILLISECONDS = (1 << 31) - 1
"""That the kernel waits at a time: 25 days."""


class LostWorkerError(Exception):
    """The worker is gone; the text says how, as the end of a sentence that begins with it."""


class WorkerProcess:
    """The handle of a worker; the process starts when it is first told something, and again after it is gone.

    Args:
        module: that it runs as a program.
        stall_seconds: without an answer that was waited for, after which it is killed.
        files: descriptors that it inherits under the same numbers.
        folder: that it is given as its argument and may make; what is there when the process is gone, however
            that came, is removed.
    """

    def __init__(
        self, module: str, stall_seconds: float, files: Sequence[int] = (), folder: Path | None = None
    ) -> None:
        self._module, self._stall_seconds, self._files = module, stall_seconds, files
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._noise: Any = None
        self._pending = bytearray()

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def kill(self) -> None:
        """End the process, whatever it is doing; may be called while another thread waits for it."""
        process, self._process = self._process, None  # two threads that kill at once share out the work
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            self._noise.close()
            self._pending = bytearray()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def tell(self, line: str) -> None:
        """Give it a line; that it is gone, or does not read it, is found by who waits for the answer."""
        process = self._process or self._start()
        assert process.stdin is not None
        data = memoryview(line.encode() + b"\n")
        deadline = time.monotonic() + self._stall_seconds
        with contextlib.suppress(BrokenPipeError, ValueError):  # the latter: another thread has killed it
            while data and _is_ready(process.stdin, select.POLLOUT, deadline):
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(process.stdin.fileno(), data) :]

    def answer(self) -> dict[str, Any]:
        """Its next answer.

        Raises:
            LostWorkerError: it died, or hung and was killed.
        """
        process = self._process
        if process is None:  # another thread has killed it
            raise LostWorkerError("was stopped")
        try:
            line = self._line(process)
        except EOFError:
            reason = self._obituary(process)
        except TimeoutError:
            reason = f"hung for {self._stall_seconds:g} s"
        else:
            answer: dict[str, Any] = json.loads(line)
            return answer
        self.kill()
        raise LostWorkerError(reason)

    def _start(self) -> subprocess.Popen[bytes]:
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            [*module_command(self._module), *([] if self._folder is None else [str(self._folder)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env=module_environment() | KEEP_MEMORY,
            pass_fds=self._files,
        )
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)  # a pipe holds 64 KiB, a job may be longer
        return self._process

    def _line(self, process: subprocess.Popen[bytes]) -> bytes:
        """The next line; EOFError when the worker died, TimeoutError when it stays silent."""
        assert process.stdout is not None
        deadline = time.monotonic() + self._stall_seconds
        looked_at = 0  # a record may have 150 MB, which come 64 KiB at a time
        while self._pending.find(b"\n", looked_at) < 0:
            looked_at = len(self._pending)
            try:
                is_readable = _is_ready(process.stdout, select.POLLIN, deadline)
                data = os.read(process.stdout.fileno(), 65536) if is_readable else b""
            except ValueError:  # another thread has killed it, and closed the pipe
                raise EOFError from None
            if not is_readable:
                raise TimeoutError
            if not data:
                raise EOFError
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        return bytes(line)

    def _obituary(self, process: subprocess.Popen[bytes]) -> str:
        """How a worker whose output has ended ended itself, or that it did not."""
        try:
            code = process.wait(min(self._stall_seconds, ENDING_SECONDS))
        except subprocess.TimeoutExpired:
            return "closed its output and did not end"
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        last: list[str] = []
        with contextlib.suppress(ValueError):  # another thread has killed it, and closed the file
            self._noise.seek(max(0, self._noise.seek(0, os.SEEK_END) - 4096))
            last = self._noise.read().decode(errors="replace").strip().splitlines()[-1:]
        return f"{how} ({last[0].strip()})" if last else how


def _is_ready(pipe: IO[bytes], event: int, deadline: float) -> bool:
    """Whether a pipe can be read or written at once; waits for that until a time of the monotonic clock.

    Raises:
        ValueError: another thread has killed the worker, and closed the pipe.
    """
    waiting = select.poll()  # select.select takes no descriptor from 1024 on
    waiting.register(pipe, event)
    while True:
        rest = max(0.0, deadline - time.monotonic())
        if waiting.poll(min(1000 * rest, _MOST_MILLISECONDS)):
            return True
        if time.monotonic() >= deadline:
            return False


def answering() -> Callable[..., None]:
    """In a worker: what answers with its keyword arguments.

    What libraries print on standard output goes to standard error from now on, and Ctrl-C is for the process
    that the worker works for.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")

    return answer


def failure(error: Exception, what: str) -> dict[str, str]:
    """In a worker: what it answers when work failed, for `refuse_failure`.

    Args:
        error: that ended the work.
        what: the file that was worked on, for messages.
    """
    match error:
        case MemoryError():
            message = f"{what}: needs more memory than its files should; leave it out with --on-error skip"
            return {"error": message, "kind": "SourceError"}
        case ShardError():
            return {"error": str(error), "kind": "ShardError"}
        case UserError():
            return {"error": str(error), "kind": "SourceError"}
        case OSError():
            return {"error": os_error_line(error), "kind": "ShardError"}
        case _:
            return {"defect": "".join(traceback.format_exception(error))}


def refuse_failure(answer: dict[str, Any], name: str) -> None:
    """Raise what an answer tells of, if that is a failure.

    Args:
        answer: of a worker.
        name: of what it worked on, for messages.

    Raises:
        SourceError, ShardError: the work failed.
    """
    if "error" in answer:
        raise (ShardError if answer["kind"] == "ShardError" else SourceError)(answer["error"])
    if "defect" in answer:
        raise RuntimeError(f"{name}: worker failed\n{answer['defect']}")


def most_resident() -> int:
    """Bytes of memory that this process has held at the most."""
    # Not ru_maxrss, which on Linux begins with what the process that started this one held.
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
