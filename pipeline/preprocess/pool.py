"""The engine for one machine: worker processes, each watched by a thread of this one."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from pipeline.preprocess.worker import Worker

_KILL_SECONDS = 0.1
"""Between two rounds of killing: a process takes a few milliseconds to start."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job on its way to a worker.

    Attributes:
        name: of the video, for messages.
        job: `Job.to_json()`.
        size: bytes of the video's source; 0 where that is not known.
    """

    name: str
    job: str
    size: int = 0


class Outcome(NamedTuple):
    """A task that is over.

    Attributes:
        task: which.
        error: that ended it.
        part: of a video that was decoded, `Part.to_json()`; None where it is to be read from its part file.
    """

    task: Task
    error: Exception | None
    part: str | None = None


@contextlib.contextmanager
def crew(workers: int, stall_seconds: float) -> Generator[list[Worker], None, None]:
    """Workers for one `run_pool` after another; each starts with its first job, and all end with the block.

    Args:
        workers: processes.
        stall_seconds: without progress, after which a video is given up.
    """
    members = [Worker(stall_seconds) for _ in range(workers)]
    try:
        yield members
    finally:
        for worker in members:
            worker.kill()


def run_pool(
    tasks: list[Task], members: list[Worker], on_frames: Callable[[Task, int, int], None]
) -> Generator[Outcome, None, None]:
    """Do all tasks, each worker one at a time; kills the workers when the consumer stops early.

    Args:
        tasks: in the order in which to start them.
        members: the workers, see `crew`.
        on_frames: told, from other threads, how many frames of a task are done, and how many are expected.
    """
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in members:
        idle.put(worker)
    stopped = threading.Event()

    def work(task: Task) -> str | None:
        if stopped.is_set():
            return None
        worker = idle.get()
        try:
            done = worker.run(task.name, task.job, partial(on_frames, task))
            on_frames(task, done.found, done.found)
            return done.part
        finally:
            idle.put(worker)

    executor = ThreadPoolExecutor(len(members), thread_name_prefix="preprocess")
    left = len(tasks)
    futures: dict[Future[str | None], Task] = {}
    try:
        for task in tasks:
            futures[executor.submit(work, task)] = task
        for future in as_completed(futures):
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            left -= 1
            yield Outcome(futures[future], error, None if error else future.result())
    finally:
        stopped.set()
        executor.shutdown(wait=False, cancel_futures=True)
        # A process that is being started is missed by a kill, and would go through its whole video.
        while left and (running := [future for future in futures if not future.done()]):
            for worker in members:
                worker.kill()
            wait(running, timeout=_KILL_SECONDS)
        executor.shutdown(wait=True)
        if left:
            for worker in members:  # one may have been started again in between
                worker.kill()
