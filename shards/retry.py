"""Trying again when a remote storage stumbles."""

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from shards.errors import StorageError

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds between tries, at most; the real pauses are random, so that many processes spread out."""

Out = TypeVar("Out")
logger = logging.getLogger(__name__)


class RefusedError(OSError):
    """An answer that trying again does not change: no permission, no ranges, no such bucket."""


def retrying(action: Callable[[], Out], where: str, clean: Callable[[str], str] = str) -> Out:
    """What `action` returns; after an OSError it is tried again, a few times.

    Args:
        action: safe to repeat.
        where: names the file in messages.
        clean: makes what may be shown of the text of an error.

    Raises:
        FileNotFoundError: at once, as raised.
        StorageError: refused, or all tries failed.
    """
    for pause in (*PAUSES, None):
        try:
            return action()
        except FileNotFoundError:
            raise
        except (RefusedError, PermissionError) as error:
            raise StorageError(f"{where}: {clean(str(error))}; check the location and credentials") from None
        except OSError as error:
            message = clean(str(error))
        if pause is not None:
            logger.warning("%s: %s; trying again", where, message)
            time.sleep(pause * random.uniform(0.5, 1))
    raise StorageError(
        f"{where}: failed {len(PAUSES) + 1} times, the last time with: {message}; "
        "check the storage and network, then run the same command again"
    )
