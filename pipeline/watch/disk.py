"""What of a camera's results cannot be written, as on a full disk: it is left out, told once, and counted.

An alarm is worth more than its picture: a watch goes on without what it cannot write, and looks now and then
whether it can again.
"""

import contextlib
import logging
from collections.abc import Iterator

from shards.errors import ShardError, os_error_line
from shards.storage import Storage

_ROOM = bytes(256 << 10)
"""What must fit then: some pictures and a minute of rows. A clip that does not fit is told of anew."""

logger = logging.getLogger(__name__)


class Disk:
    """The results of one camera.

    Args:
        name: of the camera.
        folder: of its results.

    Attributes:
        failures: how often something could not be written.
        reason: why something cannot be now; empty while all can.
    """

    def __init__(self, name: str, folder: Storage) -> None:
        self._name, self._folder = name, folder
        self._failing: set[str] = set()
        self.failures = 0
        self.reason = ""

    def fails(self, inside: str) -> bool:
        """Whether nothing can be written into one of its folders, as far as is known."""
        return inside in self._failing

    @contextlib.contextmanager
    def trying(self, inside: str = "") -> Iterator[None]:
        """A block that writes into one of its folders, and ends where that cannot be done."""
        try:
            yield
        except (OSError, ShardError) as error:
            self.failed(error, inside)

    def failed(self, error: Exception, inside: str = "") -> None:
        """Something could not be written."""
        self.failures += 1
        self._failing.add(inside)
        if not self.reason:
            self.reason = os_error_line(error) if isinstance(error, OSError) else str(error)
            logger.warning("%s: %s; results are left out until they can be written", self._name, self.reason)

    def look(self) -> None:
        """Look whether all can be written again."""
        if not self._failing:
            return
        try:
            for inside in self._failing:
                with contextlib.suppress(_UndoneError), self._folder.writing(f"{inside}/room") as file:
                    file.write(_ROOM)
                    file.flush()
                    raise _UndoneError
        except (OSError, ShardError):
            return
        self._failing.clear()
        self.reason = ""
        logger.warning("%s: results can be written again", self._name)


class _UndoneError(Exception):
    """Leaves a block in which a file was written for nothing."""
