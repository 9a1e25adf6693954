"""A process that does jobs one after another, and its handle in the process that gives them out.

Decoders may abort the interpreter, hang or leak; here they take only one video with them. The worker reads
a job per line on its standard input and answers with lines of JSON. A remote video is fetched into FOLDER,
which is not there otherwise.

    python -P -m pipeline.preprocess.worker FOLDER
"""

import sys
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from pipeline.errors import SourceError
from pipeline.preprocess.jobs import Job
from pipeline.processes.addressspace import address_space, limit_address_space
from pipeline.processes.heartbeat import Heartbeat, now_and_then
from pipeline.processes.workers import (
    RESIDENT_LIMIT,
    LostWorkerError,
    WorkerProcess,
    answering,
    failure,
    most_resident,
    refuse_failure,
)
from shards.limits import SEGMENT_WINDOWS


class Done(NamedTuple):
    """A job that was done.

    Attributes:
        found: frames of the video, by its header where it was only opened; or planes, where that was asked.
        part: of a video that was decoded, `Part.to_json()`.
    """

    found: int
    part: str | None


class Worker:
    """A worker process; started with the first job, and again after it died.

    Args:
        stall_seconds: without a sign of life, after which it is killed.
    """

    def __init__(self, stall_seconds: float) -> None:
        # The worker may be killed at any moment, and cannot be relied on to remove what it has fetched.
        folder = Path(tempfile.gettempdir()) / f"mnad-{uuid.uuid4().hex}"
        self._process = WorkerProcess("pipeline.preprocess.worker", stall_seconds, folder=folder)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid

    def kill(self) -> None:
        """End the process, whatever it is doing; may be called while another thread waits for it."""
        self._process.kill()

    def run(self, name: str, job: str, on_frames: Heartbeat) -> Done:
        """Have one job done.

        Args:
            name: of the video, for messages.
            job: `Job.to_json()`.
            on_frames: told now and then how many frames are done, and how many are expected; not of the last.

        Raises:
            SourceError: the video cannot be read, or the worker died or hung over it.
        """
        done = 0
        self._process.tell(job)
        try:
            while True:
                answer = self._process.answer()
                if "expected" in answer:
                    done = answer["frames"]
                    on_frames(done, answer["expected"])
                else:
                    refuse_failure(answer, name)
                    if answer["resident"] > RESIDENT_LIMIT:
                        self.kill()
                    return Done(found=int(answer["found"]), part=answer["part"])
        except LostWorkerError as lost:
            raise SourceError(
                f"{name}: the decoder {lost} after {done} frames; mend the file, try another --decoder, or "
                "leave it out with --on-error skip"
            ) from None


def _segments(job: Job) -> int:
    """Bytes of the segments that are held while a video is decoded."""
    return 4 * (SEGMENT_WINDOWS + job.window) * job.size[0] * job.size[1] * 3


def main() -> None:
    """Do jobs until the standard input ends."""
    from pipeline.preprocess.jobs import job_from_json
    from pipeline.preprocess.looks import frames, planes
    from pipeline.preprocess.work import process_video
    from pipeline.terminal.output import hear_warnings
    from pipeline.video.images import use_one_thread

    answer = answering()
    hear_warnings()
    use_one_thread()
    heartbeat = now_and_then(lambda frames, expected: answer(frames=frames, expected=expected))
    held = address_space()
    folder = Path(sys.argv[1])
    for line in sys.stdin:
        what = "a job"
        try:
            job = job_from_json(line)
            what = f"{job.source}/{job.video.files[0].path}"
            limit_address_space(held, _segments(job))
            found, part = 0, None
            if job.kind == "decode":
                done = process_video(job, heartbeat, folder)
                found, part = done.video.frames, done.to_json().decode()
            elif job.kind == "look":
                found = planes(job)
            else:
                found = frames(job)
        except Exception as error:
            answer(**failure(error, what))
        else:
            answer(found=found, part=part, resident=most_resident())


if __name__ == "__main__":
    main()
