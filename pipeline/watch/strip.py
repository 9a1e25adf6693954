"""The last rarities of a camera, in stretches of equal length, the rarest of each."""

from collections import deque
from datetime import datetime, timedelta

from pipeline.watch.view import Point


class Strip:
    """Keeps some stretches.

    Args:
        seconds: of each.
        count: that are kept.
    """

    def __init__(self, seconds: float, count: int) -> None:
        self._length = timedelta(seconds=seconds)
        self._points: deque[Point] = deque(maxlen=count)

    def push(self, time: datetime, rarity: float | None, *, censored: bool, alarm: bool) -> None:
        """Take the next frame."""
        last = self._points[-1] if self._points else None
        if last is None or not last.start <= time < last.start + self._length:
            self._points.append(Point(start=time, rarity_hours=rarity, censored=censored, alarm=alarm))
            return
        is_rarer = rarity is not None and (last.rarity_hours is None or rarity > last.rarity_hours)
        self._points[-1] = Point(
            start=last.start,
            rarity_hours=rarity if is_rarer else last.rarity_hours,
            censored=censored if is_rarer else last.censored,
            alarm=alarm or last.alarm,
        )

    @property
    def points(self) -> tuple[Point, ...]:
        """Oldest first."""
        return tuple(self._points)
