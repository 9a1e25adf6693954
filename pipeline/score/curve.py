"""A curve of any length in bounded memory: the highest point of each of some hundred spans of time."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.scoring.watching import Watched

MOST = 1024
"""Spans; a page shows about as many pixels."""


@dataclass(frozen=True, order=True)
class Height:
    """How unusual a moment is. Of two as rare the one with more evidence is higher.

    Attributes:
        rarity_hours: normal video shows as much once in so many hours; 0 for what is too usual to have a
            rarity of its own, and where nothing is calibrated.
        evidence: standard deviations above normal; uncalibrated, the smoothed local error in dB.
        is_censored: whether it is rarer than `rarity_hours`.
    """

    rarity_hours: float
    evidence: float
    is_censored: bool

    @classmethod
    def of(cls, watched: Watched, floor: float) -> "Height | None":
        """Of a frame; None where no alarm can come from it.

        Args:
            watched: what the frame means.
            floor: evidence below which nothing has a rarity of its own.
        """
        if not watched.is_settled:
            return None
        is_usual = math.isnan(watched.rarity_hours) or watched.evidence < floor
        return cls(0.0 if is_usual else watched.rarity_hours, watched.evidence, watched.is_censored)


Point = tuple[float, Height]
"""Seconds, and how high the curve is there."""


@dataclass
class _Span:
    """A stretch of time.

    Attributes:
        height: the highest in it; None if there is none.
        is_broken: whether a gap lies in it, or before it.
    """

    height: Height | None = None
    is_broken: bool = False

    def with_next(self, other: "_Span") -> "_Span":
        """Both as one."""
        heights = [span.height for span in (self, other) if span.height is not None]
        return _Span(max(heights, default=None), self.is_broken or other.is_broken)


class Curve:
    """The highest points of spans, which become twice as long whenever there are too many.

    Attributes:
        gaps: times at which the row of frames broke.
        gap_seconds: from the last score before each gap to the first one behind it, summed.
    """

    def __init__(self) -> None:
        self.gaps, self.gap_seconds = 0, 0.0
        self._length = 1 / 8
        self._spans: list[_Span] = []
        self._before = 0.0
        self._broke = False

    def push(self, seconds: float, height: Height | None, *, restart: bool = False) -> None:
        """Take a scored frame.

        Args:
            seconds: its time, at least 0 and no earlier than the one before.
            height: None if nothing can be said of it.
            restart: whether the row of frames broke before it.
        """
        if restart:
            self.gaps, self.gap_seconds = self.gaps + 1, self.gap_seconds + seconds - self._before
            self._broke = True
        self._before = seconds
        if height is None:
            return
        while seconds >= self._length * MOST:
            self._length *= 2
            even = [*self._spans, _Span()]
            self._spans = [one.with_next(two) for one, two in zip(even[:-1:2], even[1::2], strict=False)]
        index = int(seconds / self._length)
        self._spans += [_Span() for _ in range(index + 1 - len(self._spans))]
        self._spans[index] = self._spans[index].with_next(_Span(height, self._broke))
        self._broke = False

    def runs(self) -> Iterator[list[Point]]:
        """Stretches without a gap: the middle of each span, in seconds, and how high the curve is there."""
        run: list[Point] = []
        for index, span in enumerate(self._spans):
            if span.is_broken and run:
                yield run
                run = []
            if span.height is not None:
                run.append(((index + 0.5) * self._length, span.height))
        if run:
            yield run
