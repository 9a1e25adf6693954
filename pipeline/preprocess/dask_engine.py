"""The engine for many machines: the same tasks on a dask.distributed cluster; the owner of dask.

Every machine of the cluster must have this project installed and reach source and shards under the same
locations. A task whose machine is lost is done again elsewhere: its files are the same.

Jobs and answers are JSON text. dask itself still unpickles what comes from the other end, so who can speak to
a scheduler can run code on its machines and on this one: with `tcp://` everybody who reaches its port, with
`tls://` those who hold a certificate of the cluster.
"""

import importlib
import json
import logging
from collections.abc import Callable, Generator
from concurrent.futures import CancelledError
from typing import Any

from pipeline.errors import ConfigError, LostContactError, ShardError, SourceError
from pipeline.preprocess.pool import Outcome, Task
from pipeline.preprocess.worker import Worker

CONNECT_SECONDS = 30
_RETRIES = 2
"""How often a task is tried again after an error that is not the video's."""


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
        raise ConfigError("--engine dask needs dask.distributed: pip install 'mnad[dask]'") from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # errors are ours to tell, in one line
    with _connect(dask, scheduler) as client, client.as_current():
        futures = {
            client.submit(_work, task.name, task.job, stall_seconds, pure=False, retries=_RETRIES): task
            for task in tasks
        }
        try:
            for future in dask.as_completed(futures):
                task = futures[future]
                try:
                    gave_up = future.exception()
                    answer = None if gave_up else future.result()
                except (CancelledError, OSError):  # the latter while an answer is fetched
                    raise LostContactError(
                        f"--scheduler {scheduler}: gone while videos were being decoded; start one, and then "
                        "the same command again"
                    ) from None
                if gave_up:
                    yield task, _error_of(task.name, gave_up)
                else:
                    frames, refusal = _read(task.name, answer)
                    on_frames(task, frames, frames)
                    yield task, refusal
        finally:
            client.cancel(list(futures))


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


def _work(name: str, job: str, stall_seconds: float) -> str:
    """On a machine of the cluster: do a job in a process of its own; an answer for `_read`.

    An error that is the user's is one, too: as an exception, dask would try it again.
    """
    with Worker(stall_seconds) as worker:
        try:
            frames = worker.run(name, job, lambda frames, expected: None)
        except (SourceError, ShardError) as error:
            kind = "ShardError" if isinstance(error, ShardError) else "SourceError"
            return json.dumps({"error": str(error), "kind": kind})
    return json.dumps({"frames": frames})


def _read(name: str, answer: object) -> tuple[int, Exception | None]:
    """The frames of a task, and the error that ended it.

    Raises:
        ConfigError: `_work` answers otherwise.
    """
    try:
        if not isinstance(answer, str):
            raise TypeError
        record = json.loads(answer)
        if "error" not in record:
            return int(record["frames"]), None
        error = ShardError if record["kind"] == "ShardError" else SourceError
        return 0, error(str(record["error"]))
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise ConfigError(
            f"{name}: a machine of the cluster answered {str(answer)[:80]!r}, expected frames or an error "
            "as JSON; install the same version of this program on all machines"
        ) from error


def _error_of(name: str, error: BaseException) -> Exception:
    """What ends a task that dask gave up."""
    if type(error).__name__ == "KilledWorker":
        return SourceError(f"{name}: KilledWorker: machine after machine was lost while working on it")
    return error if isinstance(error, Exception) else RuntimeError(repr(error))
