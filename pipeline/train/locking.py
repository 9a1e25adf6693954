"""One training at a time in a run."""

import contextlib
import fcntl
import os
from collections.abc import Iterator

from pipeline import distributed
from pipeline.distributed import Process
from pipeline.errors import TrainingError
from shards.storage import Storage


@contextlib.contextmanager
def sole_training(run: Storage, process: Process) -> Iterator[None]:
    """Within the block no other training can enter it with the same run, if that is a local folder.

    The lock is the folder's own: it leaves no file, and the kernel drops it with the process that holds it.

    Raises:
        TrainingError: another one is under way; in all processes.
    """
    with contextlib.ExitStack() as stack:
        with distributed.together(process):
            if process.is_first and run.is_local:
                folder = os.open(run.path(""), os.O_RDONLY)
                stack.callback(os.close, folder)
                _lock(folder, str(run))
        yield


def _lock(folder: int, name: str) -> None:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TrainingError(
            f"{name}: found another training under way in it, expected none; "
            "wait for it, stop it, or train into another run"
        ) from None
    except OSError:
        pass  # some network file systems cannot lock folders; one training at a time is up to the user there
