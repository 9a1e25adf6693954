"""When frames of a live camera are shown, on a clock that goes on over every break; and which are scored."""

from collections import deque
from statistics import median

JUMP = 5.0
"""Seconds by which a camera's own times may lie apart before the time of arrival takes their place."""
_LEAST_STEP = 1e-3
_INTERVALS = 15
_ROUNDING = 1e-9


class Clock:
    """Seconds of one camera since its first frame.

    Within a connection the camera's own times count. Arrival counts where these go back or leap, where there
    are none, and over a break between two connections.
    """

    def __init__(self) -> None:
        self._zero: float | None = None
        self._last = 0.0
        self._step = _LEAST_STEP
        self._unstamped = 0
        self.ahead: float | None = None
        """What is added to the camera's own seconds; None before the first of a connection."""

    def begin(self, step: float | None) -> None:
        """A connection begins.

        Args:
            step: seconds between its frames, about.
        """
        self.ahead, self._unstamped = None, 0
        self._step = step or _LEAST_STEP

    def seconds(self, stamp: float | None, arrived: float) -> tuple[float, bool]:
        """When the next frame is shown, and whether its time does not follow from that of the frame before.

        Args:
            stamp: on the camera's own clock.
            arrived: on the clock of this machine.
        """
        is_first = self._zero is None
        if self._zero is None:
            self._zero = arrived
        now = max(arrived - self._zero, 0.0 if is_first else self._last + _LEAST_STEP)
        found, is_broken = self._found(stamp, now)
        self._last = found
        return found, is_broken and not is_first

    def _found(self, stamp: float | None, now: float) -> tuple[float, bool]:
        if stamp is None:
            self._unstamped += 1
            # FFmpeg leaves the first frame of a connection without a time: the next ones follow it.
            is_follower = self.ahead is not None or self._unstamped > 1
            return (self._last + self._step, False) if is_follower else (now, True)
        if self.ahead is None:
            found = self._last + self._step if self._unstamped else now
            self.ahead = found - stamp
            return found, not self._unstamped
        found = stamp + self.ahead
        if self._last < found <= self._last + JUMP:
            return found, False
        self.ahead = now - stamp
        return now, True


class Grid:
    """Picks the frames that are scored: those nearest to one every `1 / rate` seconds, as `score` does.

    Args:
        rate: frames per second that the model was trained on; None takes every frame.
    """

    def __init__(self, rate: float | None) -> None:
        self._apart = 0.0 if rate is None else 1 / rate
        self._before: float | None = None
        self._taken: float | None = None
        self._intervals: deque[float] = deque(maxlen=_INTERVALS)
        self._scored: deque[float] = deque(maxlen=_INTERVALS)

    def takes(self, seconds: float) -> bool:
        """Whether a frame is scored; each is asked about, in order."""
        if self._before is not None:
            self._intervals.append(seconds - self._before)
        self._before = seconds
        if self._taken is not None:
            passed, usual = seconds - self._taken, median(self._intervals)
            if self._apart / passed - 1 > 1 - self._apart / (passed + usual) + _ROUNDING:
                return False  # the rate is nearer with the next frame, as `timed.every` has it
            self._scored.append(passed)
        self._taken = seconds
        return True

    @property
    def rate(self) -> float | None:
        """Frames per second that were scored lately; None while that is not known."""
        return 1 / median(self._scored) if len(self._scored) == _INTERVALS else None
