"""The engine for many machines: the same tasks on a dask.distributed cluster; the owner of dask.

Every machine of the cluster must have this project installed and reach source and shards under the same
locations. A task whose machine is lost is done again elsewhere: its files are the same.
"""

import importlib
from collections.abc import Generator
from typing import Any

from pipeline.errors import ConfigError, ShardError, SourceError
from pipeline.preprocess.pool import Outcome, Task
from pipeline.preprocess.worker import Worker

CONNECT_SECONDS = 30
_RETRIES = 2
"""How often a task is tried again after an error that is not the video's."""


def run_dask(tasks: list[Task], scheduler: str, stall_seconds: float) -> Generator[Outcome, None, None]:
    """Do all tasks on a cluster; what was not begun is withdrawn when the consumer stops early.

    Args:
        tasks: in the order in which to start them.
        scheduler: its address, such as `tcp://head:8786`.
        stall_seconds: without progress, after which a video is given up.

    Raises:
        ConfigError: dask is not installed, or the scheduler does not answer.
    """
    try:
        dask: Any = importlib.import_module("distributed")  # an extra, and slow to import
    except ImportError as error:
        raise ConfigError("--engine dask needs dask.distributed: pip install 'mnad[dask]'") from error
    try:
        client = dask.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(f"--scheduler {scheduler}: no dask scheduler answers there") from error
    with client, client.as_current():
        futures = {
            client.submit(_work, task.name, task.job, stall_seconds, pure=False, retries=_RETRIES): task
            for task in tasks
        }
        try:
            for future in dask.as_completed(futures):
                yield futures[future], _error_of(future.exception() or future.result(), futures[future])
        finally:
            client.cancel(list(futures))


def _work(name: str, job: str, stall_seconds: float) -> tuple[str, str] | None:
    """On a machine of the cluster: do a job in a process of its own; an error that is the user's as a value.

    As an exception, dask would try it again.
    """
    with Worker(stall_seconds) as worker:
        try:
            worker.run(name, job, lambda frames, expected: None)
        except SourceError as error:
            return "SourceError", str(error)
        except ShardError as error:
            return "ShardError", str(error)
    return None


def _error_of(outcome: object, task: Task) -> Exception | None:
    if isinstance(outcome, BaseException):
        if type(outcome).__name__ == "KilledWorker":
            return SourceError(
                f"{task.name}: {type(outcome).__name__}: machine after machine was lost while working on it"
            )
        return outcome if isinstance(outcome, Exception) else RuntimeError(repr(outcome))
    if isinstance(outcome, tuple):
        kind, message = outcome
        return ShardError(message) if kind == "ShardError" else SourceError(message)
    return None
