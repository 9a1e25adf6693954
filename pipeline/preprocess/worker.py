"""A process that does jobs one after another, and its handle in the process that gives them out.

Decoders may abort the interpreter, hang or leak; here they take only one video with them. The worker reads
a job per line on its standard input and answers with lines of JSON.

    python -P -m pipeline.preprocess.worker
"""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.errors import ShardError, SourceError, UserError
from pipeline.preprocess.jobs import Beat, Job
from pipeline.processes.children import module_command, module_environment
from shards.errors import os_error_line
from shards.limits import SEGMENT_WINDOWS

BEAT_SECONDS = 0.25
"""Between signs of life."""
RESIDENT_LIMIT = 600 << 20
"""A worker that has ever held more than this many bytes is replaced before the next video."""
DECODING_SPACE = 3 << 30
"""Bytes of address space that decoding may take: 1.1 GB for the largest image, 0.8 GB for a video of 8K with
16 reference frames, 0.4 GB for decord; twice that, for reserves of threads and pools that stay untouched."""
_KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(1 << 30), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""Makes glibc keep what a video used for the next: fresh pages took 8 % of the CPU time per 256x256 frame."""


class Worker:
    """A worker process; started with the first job, and again after it died.

    Args:
        stall_seconds: without a sign of life, after which it is killed.
    """

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._noise: Any = None
        self._pending = b""

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

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
            self._pending = b""

    def run(self, name: str, job: str, on_frames: Beat) -> int:
        """Have one job done; returns how many frames the video has.

        Args:
            name: of the video, for messages.
            job: `Job.to_json()`.
            on_frames: told now and then how many frames are done, and how many are expected; not of the last.

        Raises:
            SourceError: the video cannot be read, or the worker died or hung over it.
        """
        process = self._process or self._start()
        assert process.stdin is not None
        done = 0
        try:
            process.stdin.write(job.encode() + b"\n")
            process.stdin.flush()
            while True:
                answer = self._answer(process)
                if "expected" in answer:
                    done = answer["frames"]
                    on_frames(done, answer["expected"])
                elif "error" in answer:
                    raise (ShardError if answer["kind"] == "ShardError" else SourceError)(answer["error"])
                elif "defect" in answer:
                    raise RuntimeError(f"{name}: worker failed\n{answer['defect']}")
                else:
                    if answer["resident"] > RESIDENT_LIMIT:
                        self.kill()
                    return int(answer["frames"])
        except (EOFError, BrokenPipeError):
            reason = self._obituary(process)
        except TimeoutError:
            reason = f"hung for {self._stall_seconds:g} s"
        self.kill()
        raise SourceError(
            f"{name}: the decoder {reason} after {done} frames; mend the file, try another --decoder, or "
            "leave it out with --on-error skip"
        )

    def _start(self) -> subprocess.Popen[bytes]:
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            module_command("pipeline.preprocess.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._noise,
            env=module_environment() | _KEEP_MEMORY,
        )
        return self._process

    def _answer(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """The next line; EOFError when the worker died, TimeoutError when it stays silent."""
        assert process.stdout is not None
        deadline = time.monotonic() + self._stall_seconds
        while b"\n" not in self._pending:
            readable, _, _ = select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise TimeoutError
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                raise EOFError
            self._pending += data
        line, _, self._pending = self._pending.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _obituary(self, process: subprocess.Popen[bytes]) -> str:
        code = process.wait()
        how = f"died of {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        self._noise.seek(max(0, self._noise.seek(0, os.SEEK_END) - 4096))
        last = self._noise.read().decode(errors="replace").strip().splitlines()[-1:]
        return f"{how} ({last[0].strip()})" if last else how


def _address_space() -> int:
    """Bytes of address space that this process holds, 0 where that is not known."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _limit_address_space(held: int, job: Job) -> None:
    """Let a decoder that a hostile file makes ask for more and more run into a wall before the machine does.

    Args:
        held: bytes that libraries took before the first job.
        job: what is to be done, whose segments are held beside what the decoder takes.
    """
    if held:
        segments = 4 * (SEGMENT_WINDOWS + job.window) * job.size[0] * job.size[1] * 3
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        wanted = held + DECODING_SPACE + segments
        soft = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_AS, (soft, most))


def main() -> None:
    """Do jobs until the standard input ends."""
    from pipeline.preprocess.jobs import job_from_json
    from pipeline.preprocess.work import check_video, process_video
    from pipeline.video.images import use_one_thread

    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not get between the answers
    use_one_thread()

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields) + "\n")

    beaten = 0.0

    def beat(frames: int, expected: int) -> None:
        nonlocal beaten
        now = time.monotonic()
        if now - beaten >= BEAT_SECONDS:
            beaten = now
            answer(frames=frames, expected=expected)

    held = _address_space()
    for line in sys.stdin:
        try:
            job = job_from_json(line)
            _limit_address_space(held, job)
            frames = 0
            if job.is_check:
                check_video(job)
            else:
                frames = process_video(job, beat).video.frames
        except MemoryError:
            answer(
                error=f"{job.source}: video {job.video.title} needs more memory than its files should; "
                "leave it out with --on-error skip",
                kind="SourceError",
            )
        except (UserError, ShardError) as error:
            answer(error=str(error), kind="ShardError" if isinstance(error, ShardError) else "SourceError")
        except OSError as error:
            answer(error=os_error_line(error), kind="ShardError")
        except Exception:
            import traceback

            answer(defect=traceback.format_exc())
        else:
            unit = 1 if sys.platform == "darwin" else 1024
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
            answer(frames=frames, resident=resident)


if __name__ == "__main__":
    main()
