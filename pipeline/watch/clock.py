"""When frames of a live camera are shown, on a clock that goes on over every break; and which are scored."""

from collections import deque
from statistics import median

JUMP = 5.0
"""Seconds by which a camera's own times may lie apart before the time of arrival takes their place."""
COMPARED_SECONDS = 30.0
"""Seconds of arrival over which a camera's clock is compared with that of this machine."""
_PACE_TOLERANCE = 0.1
"""The share by which the two may differ in that time: 3 s, by which frames seldom come early or late. It is
that of the rate of scored frames, which goes by this clock."""
_ALIKE = 2
"""Comparisons in a row that must find the same: the seconds of video that a camera sends at once when it is
connected are in one of them."""
_LEAST_STEP = 1e-3
_INTERVALS = 15
_ROUNDING = 1e-9


class Pace:
    """Whether a camera's clock goes as fast as that of this machine."""

    def __init__(self) -> None:
        self._mark: tuple[float, float] | None = None
        self._last = 0.0
        self._found, self._alike = 0, 0
        self.is_right = True
        """What two comparisons in a row have found last."""
        self.ratio = 1.0
        """Of the last comparison: seconds of the camera per second of this machine."""

    def begin(self) -> None:
        """A connection begins."""
        self._mark, self._alike = None, 0

    def push(self, stamp: float | None, arrived: float, step: float) -> None:
        """Take the next frame.

        Args:
            stamp: on the camera's clock; None is a step after the frame before.
            arrived: on the clock of this machine.
            step: seconds.
        """
        now = self._last + step if stamp is None else stamp
        follows = 0 < now - self._last <= JUMP
        self._last = now
        if self._mark is None or not follows:
            self._mark = now, arrived
            return
        passed = arrived - self._mark[1]
        if passed < COMPARED_SECONDS:
            return
        self.ratio = (now - self._mark[0]) / passed
        self._mark = now, arrived
        is_fast, is_slow = self.ratio > 1 + _PACE_TOLERANCE, self.ratio < 1 - _PACE_TOLERANCE
        before, self._found = self._found, is_fast - is_slow
        self._alike = self._alike + 1 if self._found == before else 1
        if self._alike >= _ALIKE:
            self.is_right = self._found == 0


class Clock:
    """Seconds of one camera since its first frame.

    Within a connection the camera's own times count. Arrival counts where these go back or leap, where there
    are none or they are made up, where they do not go as fast as those of this machine, and over a break
    between two connections.
    """

    def __init__(self) -> None:
        self._zero: float | None = None
        self._last = 0.0
        self._step = _LEAST_STEP
        self._unstamped = 0
        self._has_times = True
        self.pace = Pace()
        self.ahead: float | None = None
        """What is added to the camera's own seconds, or to those of arrival; None before the first of a
        connection."""

    @property
    def by_arrival(self) -> bool:
        """Whether arrival counts for all frames, and not the camera's own times."""
        return not (self._has_times and self.pace.is_right)

    def begin(self, step: float | None, *, has_times: bool = True) -> None:
        """A connection begins.

        Args:
            step: seconds between its frames, about.
            has_times: whether times come with its frames; else they are made up.
        """
        self.ahead, self._unstamped = None, 0
        self._step, self._has_times = step or _LEAST_STEP, has_times
        self.pace.begin()

    def seconds(self, stamp: float | None, arrived: float) -> tuple[float, bool]:
        """When the next frame is shown, and whether its time does not follow from that of the frame before.

        Args:
            stamp: on the camera's own clock.
            arrived: on the clock of this machine.
        """
        is_first = self._zero is None
        if self._zero is None:
            self._zero = arrived
        before = self.by_arrival
        if self._has_times:
            self.pace.push(stamp, arrived, self._step)
        if self.by_arrival != before:
            self.ahead, self._unstamped = None, 0
        is_new = self.ahead is None
        if self.by_arrival and is_new and not is_first:  # a clock that was fast has come further than arrival
            self._zero = min(self._zero, arrived - self._last - _LEAST_STEP)
        now = max(arrived - self._zero, 0.0 if is_first else self._last + _LEAST_STEP)
        if self.by_arrival:
            self.ahead = -self._zero
            found, is_broken = now, is_new
        else:
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
