"""From frames to windows: a view that slides over any run of frames, however they arrive.

Whoever has frames, from shards, a file or a camera, gives them a few at a time, and gets each window once, in
order, as soon as a batch of them is full. What is held never exceeds a batch of windows, which share their
frames, and what arrived last: a video may be of any length, and need not end.

Dimension letters: B batch, T frames of a window, F frames, C channels, H W height and width.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shards.entries import Geometry


@dataclass(frozen=True, kw_only=True)
class VideoBatch:
    """Consecutive windows of one video.

    Attributes:
        video: its number: in a set, the index into the split's videos.
        frames: (B,) the frame number that each window is about, its last.
        windows: (B, T, 3, H, W) float32 in [-1, 1].
    """

    video: int
    frames: np.ndarray
    windows: Tensor


def normalise(windows: Tensor, geometry: Geometry) -> Tensor:
    """Stored uint8 windows (B, T, H, W, C) to float32 (B, T, 3, H, W) in [-1, 1]; gray is repeated."""
    values = windows.permute(0, 1, 4, 2, 3).to(torch.float32).div_(geometry.scale).add_(geometry.offset)
    return values.expand(-1, -1, geometry.channels, -1, -1)


class SlidingWindow:
    """A view over an unbroken run of frames; each window once, in order, as soon as a batch of them is full.

    Args:
        window: T.
        batch: B; only what `rest` gives is smaller.
    """

    def __init__(self, *, window: int, batch: int) -> None:
        self._window, self._batch = window, batch
        self._held: list[Tensor] = []
        self._first = self._count = 0

    def push(self, piece: Tensor) -> Iterator[tuple[np.ndarray, Tensor]]:
        """Take the next frames (F, H, W, C); yields full batches as `sliding_windows` does, to be drawn."""
        self._held.append(piece)
        self._count += len(piece)
        while self._count >= self._batch + self._window - 1:
            joined = _joined(self._held)
            yield _windows(self._first, joined[: self._batch + self._window - 1], self._window)
            self._held = [joined[self._batch :]]
            self._first, self._count = self._first + self._batch, self._count - self._batch

    def rest(self) -> Iterator[tuple[np.ndarray, Tensor]]:
        """The windows of the frames that are held, the last of the run."""
        if self._count >= self._window:
            yield _windows(self._first, _joined(self._held), self._window)


def sliding_windows(
    frames: Iterable[Tensor], *, window: int, batch: int
) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Each window of an unbroken run of frames once, in order; none of a run that is shorter than a window.

    Args:
        frames: the run in any pieces, each (F, H, W, C) on one device.
        window: T.
        batch: B; only the last batch is smaller.

    Yields:
        The frame number (B,) that each window is about, its last, counted from the run's first frame on; and
        the windows (B, T, H, W, C), a view that is to be read only.
    """
    sliding = SlidingWindow(window=window, batch=batch)
    for piece in frames:
        yield from sliding.push(piece)
    yield from sliding.rest()


def _joined(pieces: list[Tensor]) -> Tensor:
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _windows(first: int, frames: Tensor, window: int) -> tuple[np.ndarray, Tensor]:
    windows = frames.unfold(0, window, 1).permute(0, 4, 1, 2, 3)
    return first + window - 1 + np.arange(len(windows)), windows
