"""Whether alarms can come of the frames that are scored: not if these lie so far apart that none settles."""

import math

SHARE_SECONDS = 30.0
"""Seconds over which the share of the time that is settled is smoothed."""
_FEW, _MANY = 0.1, 0.5
"""The shares of the time below which there is next to none, and above which there is enough again: where none
is settled, the first is reached after 70 s; where all is, the other after 20 s."""
_LONGEST = 10.0
"""The most seconds that a frame counts for; while a camera is gone for longer, nothing is scored."""


class Settling:
    """Follows the frames of one camera.

    Attributes:
        blind: why next to none of the last frames has settled, so that no alarm comes of them; or empty.
    """

    def __init__(self) -> None:
        self._share = 1.0
        self._last: float | None = None
        self._skipped = 0
        self.blind = ""

    def push(self, now: float, skipped: int, *, is_settled: bool) -> bool:
        """Take the next frame; whether it has changed what is so.

        Args:
            now: when it was scored, on the clock of this process.
            skipped: windows that were skipped so far, because the one who scores was too slow for them.
            is_settled: whether an alarm may come of it.
        """
        passed = 0.0 if self._last is None else min(now - self._last, _LONGEST)
        self._last = now
        self._share += -math.expm1(-passed / SHARE_SECONDS) * (is_settled - self._share)
        before = self.blind
        if self._share >= (_MANY if before else _FEW):
            self.blind = ""
        elif not before:
            self.blind = "too slow: no alarms" if skipped > self._skipped else "pictures break off: no alarms"
        if is_settled:
            self._skipped = skipped
        return self.blind != before
