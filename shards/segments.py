"""How a video is cut into segments, so that every window lies whole in exactly one of them."""

from collections.abc import Iterable, Iterator

import numpy as np

SEGMENT_WINDOWS = 32
"""Windows per segment: 36 frames for T = 5, so 1.125 frames are stored (and read) per window."""


def cut(frames: Iterable[np.ndarray], window: int) -> Iterator[tuple[int, np.ndarray]]:
    """Segments of a stream of frames of unknown length.

    Neighbours overlap by `window - 1` frames; all but the last hold SEGMENT_WINDOWS windows; a video
    shorter than the window is one segment. Holds one segment at a time.

    Args:
        frames: uint8 (H, W, C) in order.
        window: T, the longest window that must lie within one segment.

    Yields:
        The segment's first frame number and its frames (F, H, W, C).
    """
    first = 0
    held: list[np.ndarray] = []
    for frame in frames:
        if len(held) == SEGMENT_WINDOWS + window - 1:
            yield first, np.stack(held)
            held = held[SEGMENT_WINDOWS:]
            first += SEGMENT_WINDOWS
        held.append(frame)
    if held:
        yield first, np.stack(held)


def window_starts(stride: int, frames: int, is_last: bool, window: int) -> int:
    """How many windows are read from a segment; together its video's segments give each exactly once.

    Args:
        stride: frames from its first frame to the next segment's; ignored for the last.
        frames: of the segment.
        is_last: whether it is the last of its video.
        window: T of the reader, at most the T that the set was cut for.
    """
    return max(0, frames - window + 1) if is_last else stride
