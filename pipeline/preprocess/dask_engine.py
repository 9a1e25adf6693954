"""The engine for many machines: the same tasks on a dask.distributed cluster; the owner of dask.

Every machine of the cluster must have this project installed and reach source and shards under the same
locations. Small videos go out in groups, and each thread of a dask worker keeps one process for all of its
videos: with a new one for each, tiny videos came at 0.44/s where a worker of the pool did 18. A group whose
machine is lost is done again elsewhere: its files are the same.

Jobs and answers are JSON text. dask itself still unpickles what comes from the other end, so who can speak to
a scheduler can run code on its machines and on this one: with `tcp://` everybody who reaches its port, with
`tls://` those who hold a certificate of the cluster.
"""

import importlib
import json
import logging
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError
from functools import cache
from queue import Empty, SimpleQueue
from typing import Any

from pipeline.errors import ConfigError, LostContactError, ShardError, SourceError, missing_package
from pipeline.preprocess.pool import Outcome, Task
from pipeline.preprocess.worker import Worker

CONNECT_SECONDS = 30
_RETRIES = 2
"""How often a group is tried again after an error that is not a video's."""
GROUP_VIDEOS = 8
GROUP_BYTES = 4 << 20
"""A group has at most so many videos and, unless it is one alone, so many bytes of source: a few seconds."""
GROUPS = 64
"""There are at least so many groups where there are as many videos, so that every machine has some."""

Group = list[Task]


def run_dask(
    tasks: list[Task], scheduler: str, stall_seconds: float, on_frames: Callable[[Task, int, int], None]
) -> Generator[Outcome, None, None]:
    """Do all tasks on a cluster; what was not begun is withdrawn when the consumer stops early.

    Args:
        tasks: in the order in which to start them.
        scheduler: its address, `tcp://head:8786` or `tls://head:8786`; certificates are those of dask's
            configuration.
        stall_seconds: without progress, after which a video is given up.
        on_frames: told at the end of a task how many frames are done, and how many were expected.

    Raises:
        ConfigError: dask is not installed, the scheduler does not answer, or another program does the work.
        LostContactError: the scheduler is gone.
    """
    try:
        dask: Any = importlib.import_module("distributed")  # an extra, and slow to import
    except ImportError as error:
        raise missing_package("--engine dask", "dask.distributed", "dask") from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # errors are ours to tell, in one line
    with _connect(dask, scheduler) as client, client.as_current():

        def submit(group: Group) -> Any:
            jobs = json.dumps([[task.name, task.job] for task in group])
            return client.submit(_work, jobs, stall_seconds, pure=False, retries=_RETRIES)

        groups = {submit(group): group for group in grouped(tasks)}
        running = dask.as_completed(list(groups))
        try:
            for future in running:
                try:
                    gave_up = future.exception()
                    answer = None if gave_up else future.result()
                except (CancelledError, OSError):  # the latter while an answer is fetched
                    raise LostContactError(
                        f"--scheduler {scheduler}: gone while videos were being decoded; start one, and then "
                        "the same command again"
                    ) from None
                group = groups.pop(future)
                if gave_up and len(group) > 1:  # each alone tells which of them it was
                    alone = {submit([task]): [task] for task in group}
                    groups |= alone
                    running.update(list(alone))
                elif gave_up:
                    yield Outcome(group[0], _error_of(group[0].name, gave_up))
                else:
                    for task, (frames, refusal) in zip(group, _read(group, answer), strict=True):
                        on_frames(task, frames, frames)
                        yield Outcome(task, refusal)
        finally:
            client.cancel(list(groups))


def grouped(tasks: list[Task]) -> Iterator[Group]:
    """Tasks in order, small ones that follow one another together."""
    most = max(1, min(GROUP_VIDEOS, len(tasks) // GROUPS))
    group: Group = []
    for task in tasks:
        size = sum(other.size for other in group) + task.size
        if group and (len(group) == most or size > GROUP_BYTES):
            yield group
            group = []
        group.append(task)
    if group:
        yield group


def _connect(dask: Any, scheduler: str) -> Any:
    """A client of the scheduler.

    Raises:
        ConfigError: it does not answer, or not to these certificates.
    """
    try:
        dask.comm.get_address_host_port(scheduler)  # a client with an address that is none hangs when it ends
        security = dask.Security()
        has_certificates = security.get_connection_args("client")["ssl_context"] is not None
    except ValueError as error:
        raise ConfigError(
            f"--scheduler {scheduler}: {error}; expected an address such as tcp://head:8786"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"--scheduler {scheduler}: the certificates that dask's configuration names under "
            f"distributed.comm.tls cannot be read: {error.strerror or error}"
        ) from error
    if scheduler.startswith("tls://") and not has_certificates:
        raise ConfigError(
            f"--scheduler {scheduler}: found no certificates, expected ca-file, client.cert and client.key "
            "under distributed.comm.tls in dask's configuration; set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
            "…__CLIENT__CERT and …__CLIENT__KEY"
        )
    try:
        return dask.Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False, security=security)
    except (OSError, TimeoutError) as error:
        raise ConfigError(f"--scheduler {scheduler}: no dask scheduler answers there: {error}") from error


@cache
def _idle(stall_seconds: float) -> SimpleQueue[Worker]:
    """The worker processes that this process keeps for the next group; they end with it."""
    return SimpleQueue()


def _work(jobs: str, stall_seconds: float) -> str:
    """On a machine of the cluster: do a group's jobs in a process that is kept; an answer for `_read`.

    An error that is the user's is an answer, too: as an exception, dask would try the group again.
    """
    idle = _idle(stall_seconds)
    try:
        worker = idle.get_nowait()
    except Empty:
        worker = Worker(stall_seconds)
    try:
        answers = [_answer(worker, name, job) for name, job in json.loads(jobs)]
    except BaseException:
        worker.kill()
        raise
    idle.put(worker)
    return json.dumps(answers)


def _answer(worker: Worker, name: str, job: str) -> dict[str, Any]:
    try:
        return {"frames": worker.run(name, job, lambda frames, expected: None).found}
    except (SourceError, ShardError) as error:
        return {"error": str(error), "kind": "ShardError" if isinstance(error, ShardError) else "SourceError"}


def _read(group: Group, answer: object) -> list[tuple[int, Exception | None]]:
    """For each task of a group its frames, and the error that ended it.

    Raises:
        ConfigError: `_work` answers otherwise.
    """
    try:
        if not isinstance(answer, str):
            raise TypeError
        records = json.loads(answer)
        if not isinstance(records, list) or len(records) != len(group):
            raise ValueError
        return [_outcome(record) for record in records]
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise ConfigError(
            f"{group[0].name}: a machine of the cluster answered {str(answer)[:80]!r}, expected frames or an "
            "error for each video as JSON; install the same version of this program on all machines"
        ) from error


def _outcome(record: dict[str, Any]) -> tuple[int, Exception | None]:
    if "error" not in record:
        return int(record["frames"]), None
    error = ShardError if record["kind"] == "ShardError" else SourceError
    return 0, error(str(record["error"]))


def _error_of(name: str, error: BaseException) -> Exception:
    """What ends a task that dask gave up."""
    if type(error).__name__ == "KilledWorker":
        return SourceError(f"{name}: KilledWorker: machine after machine was lost while working on it")
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
