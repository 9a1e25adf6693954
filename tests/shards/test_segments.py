"""Every window lies whole in exactly one segment."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.limits import SEGMENT_WINDOWS
from shards.segments import cut, window_starts


@given(frames=st.integers(0, 200), stored=st.integers(1, 6), data=st.data())
def test_segments_give_each_window_exactly_once_for_any_shorter_window(
    frames: int, stored: int, data: st.DataObject
) -> None:
    window = data.draw(st.integers(1, stored))
    pixels = (np.full((1, 1, 1), i % 256, np.uint8) for i in range(frames))
    segments, before = [], None
    for first, part in cut(pixels, stored):
        if before is not None:  # still valid, though the next one has been asked for
            segments.append((before[0], before[1].copy()))
        before = first, part
    if before is not None:
        segments.append(before)
    seen = []
    for index, (first, part) in enumerate(segments):
        assert part[:, 0, 0, 0].tolist() == [i % 256 for i in range(first, first + len(part))]
        last = index == len(segments) - 1
        stride = len(part) if last else segments[index + 1][0] - first
        starts = window_starts(stride, len(part), last, window)
        assert starts + window - 1 <= len(part) or starts == 0
        seen += [first + start for start in range(starts)]
    assert seen == list(range(max(0, frames - window + 1)))
    assert all(len(part) <= SEGMENT_WINDOWS + stored - 1 for _, part in segments)


def test_only_one_segment_is_held_at_a_time() -> None:
    taken = []

    def frames() -> Iterator[np.ndarray]:
        for index in range(100):
            taken.append(index)
            yield np.zeros((1, 1, 1), np.uint8)

    next(iter(cut(frames(), 5)))
    assert len(taken) == SEGMENT_WINDOWS + 4 + 1
