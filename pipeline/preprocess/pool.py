"""The engine for one machine: worker processes, each watched by a thread of this one."""

import queue
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial

from pipeline.preprocess.worker import Worker


@dataclass(frozen=True, kw_only=True)
class Task:
    """A job on its way to a worker.

    Attributes:
        name: of the video, for messages.
        job: `Job.to_json()`.
    """

    name: str
    job: str


Outcome = tuple[Task, Exception | None]
"""A task that is over, and the error that ended it."""


def run_pool(
    tasks: list[Task], workers: int, stall_seconds: float, on_frames: Callable[[Task, int, int], None]
) -> Generator[Outcome, None, None]:
    """Do all tasks, at most `workers` at a time; ends its workers when the consumer stops early.

    Args:
        tasks: in the order in which to start them.
        workers: processes.
        stall_seconds: without progress, after which a video is given up.
        on_frames: told, from other threads, how many frames of a task are done, and how many are expected.
    """
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    crew = [Worker(stall_seconds) for _ in range(min(workers, len(tasks)))]
    for worker in crew:
        idle.put(worker)
    stopped = threading.Event()

    def work(task: Task) -> None:
        if stopped.is_set():
            return
        worker = idle.get()
        try:
            frames = worker.run(task.name, task.job, partial(on_frames, task))
            on_frames(task, frames, frames)
        finally:
            idle.put(worker)

    executor = ThreadPoolExecutor(max(1, len(crew)), thread_name_prefix="preprocess")
    try:
        futures: dict[Future[None], Task] = {executor.submit(work, task): task for task in tasks}
        for future in as_completed(futures):
            error = future.exception()
            if error is not None and not isinstance(error, Exception):
                raise error
            yield futures[future], error
    finally:
        stopped.set()
        executor.shutdown(wait=False, cancel_futures=True)
        for worker in crew:
            worker.kill()
        executor.shutdown(wait=True)
        for worker in crew:  # one may have been started again in between
            worker.kill()
