"""How a video is cut into segments, so that every window lies whole in exactly one of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from shards.arena import Arena
from shards.limits import SEGMENT_WINDOWS

Draw = Callable[[np.ndarray], object]
"""Fills an array uint8 (H, W, 3), contiguous, with a frame, which so is made where it is written from."""


@dataclass(frozen=True)
class Cut:
    """The frames of a segment.

    Attributes:
        first: number of the first one.
        frames: uint8 (F, H, W, 3), the first ones of `arena`.
        arena: where they lie.
        windows: that are read from here.
        is_last: whether the video ends here.
    """

    first: int
    frames: np.ndarray
    arena: Arena
    windows: int
    is_last: bool


def cut(frames: Iterable[Draw], size: tuple[int, int], window: int) -> Iterator[Cut]:
    """Segments of a stream of frames of unknown length.

    Neighbours overlap by `window - 1` frames; all but the last hold SEGMENT_WINDOWS windows; a video
    shorter than the window is one segment.

    Args:
        frames: in order.
        size: height and width of them all, pixels.
        window: T, the longest window that must lie within one segment.

    Yields:
        The segments. There are two arenas, used by turns: with a fresh one for each segment, all that becomes
        of a frame of 256x256 took 8 % more CPU time. What one holds stays as it is until the segment after
        the next one is begun.
    """
    first = held = 0
    arenas: list[Arena] = []
    for draw in frames:
        if not arenas:
            arenas = [Arena((SEGMENT_WINDOWS + window - 1, *size, 3)) for _ in range(2)]
        if held == len(arenas[0].frames):
            yield Cut(first, arenas[0].frames, arenas[0], SEGMENT_WINDOWS, is_last=False)
            arenas[1].frames[: window - 1] = arenas[0].frames[SEGMENT_WINDOWS:]
            arenas.reverse()
            first, held = first + SEGMENT_WINDOWS, window - 1
        draw(arenas[0].frames[held])
        held += 1
    if held:
        yield Cut(first, arenas[0].frames[:held], arenas[0], max(0, held - window + 1), is_last=True)


def window_starts(stride: int, frames: int, is_last: bool, window: int) -> int:
    """How many windows are read from a segment; together its video's segments give each exactly once.

    Args:
        stride: frames from its first frame to the next segment's; ignored for the last.
        frames: of the segment.
        is_last: whether it is the last of its video.
        window: T of the reader, at most the T that the set was cut for.
    """
    return max(0, frames - window + 1) if is_last else stride
