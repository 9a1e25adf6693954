"""How a video is cut into segments, so that every window lies whole in exactly one of them."""

from collections.abc import Iterable, Iterator

import numpy as np

from shards.limits import SEGMENT_WINDOWS


def cut(frames: Iterable[np.ndarray], window: int) -> Iterator[tuple[int, np.ndarray]]:
    """Segments of a stream of frames of unknown length.

    Neighbours overlap by `window - 1` frames; all but the last hold SEGMENT_WINDOWS windows; a video
    shorter than the window is one segment. Frames are copied, while they are in the processor's cache, into
    two arrays that segments use by turns: with a fresh array for each, all that becomes of a frame of 256x256
    took 8 % more CPU time.

    Args:
        frames: uint8 (H, W, C) in order.
        window: T, the longest window that must lie within one segment.

    Yields:
        The segment's first frame number and its frames (F, H, W, C), which stay valid while one more segment
        is asked for.
    """
    first = held = 0
    longest = SEGMENT_WINDOWS + window - 1
    current = following = np.empty(0, np.uint8)
    for frame in frames:
        if first == held == 0:
            current, following = (np.empty((longest, *frame.shape), np.uint8) for _ in range(2))
        elif held == longest:
            yield first, current
            following[: window - 1] = current[SEGMENT_WINDOWS:]
            current, following = following, current
            first, held = first + SEGMENT_WINDOWS, window - 1
        current[held] = frame
        held += 1
    if held:
        yield first, current[:held]


def window_starts(stride: int, frames: int, is_last: bool, window: int) -> int:
    """How many windows are read from a segment; together its video's segments give each exactly once.

    Args:
        stride: frames from its first frame to the next segment's; ignored for the last.
        frames: of the segment.
        is_last: whether it is the last of its video.
        window: T of the reader, at most the T that the set was cut for.
    """
    return max(0, frames - window + 1) if is_last else stride
