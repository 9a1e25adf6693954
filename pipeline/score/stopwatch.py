"""Where the time goes while a video is scored."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from pipeline.score.record import Took
from pipeline.video.decoding import Decoder

T = TypeVar("T")


@dataclass
class _Seconds:
    sum: float = 0.0


class Stopwatch:
    """Runs from now on.

    Args:
        decoder: of the frames.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder, self._before = decoder, decoder.seconds
        self._started = time.perf_counter()
        self._waiting = _Seconds()
        self._drawing = _Seconds()

    def waiting(self, frames: Iterable[T]) -> Iterator[T]:
        """The frames; the time until each is there is waited."""
        return _timed(frames, self._waiting)

    def scoring(self, moments: Iterable[T]) -> Iterator[T]:
        """What is drawn from the frames; the time until each is there is scoring, but for what is waited."""
        return _timed(moments, self._drawing)

    def taken(self) -> Took:
        """What it shows."""
        return Took(
            total=time.perf_counter() - self._started,
            scoring=self._drawing.sum - self._waiting.sum,
            waiting=self._waiting.sum,
            decoding=self._decoder.seconds - self._before,
        )


def _timed(items: Iterable[T], seconds: _Seconds) -> Iterator[T]:
    """The items; `seconds` grows by the time until each is there."""
    iterator = iter(items)
    while True:
        started = time.perf_counter()
        try:
            item = next(iterator)
        except StopIteration:
            return
        finally:
            seconds.sum += time.perf_counter() - started
        yield item
