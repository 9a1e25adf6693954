"""Every window lies whole in exactly one segment."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shards.limits import SEGMENT_WINDOWS
from shards.segments import Cut, Draw, cut, window_starts
from tests.helpers.shards import drawn


def numbered(frames: int) -> Iterator[Draw]:
    """Frames that are filled with their number, modulo 256."""
    return drawn(np.full((1, 1, 3), index % 256, np.uint8) for index in range(frames))


@given(frames=st.integers(0, 200), stored=st.integers(1, 6), data=st.data())
def test_segments_give_each_window_exactly_once_for_any_shorter_window(
    frames: int, stored: int, data: st.DataObject
) -> None:
    window = data.draw(st.integers(1, stored))
    segments: list[tuple[int, np.ndarray]] = []
    ends = []
    before: Cut | None = None
    for piece in cut(numbered(frames), (1, 1), stored):
        if before is not None:  # as it was, though the next one is full
            segments.append((before.first, before.frames.copy()))
        before = piece
        ends.append(piece.is_last)
    if before is not None:
        segments.append((before.first, before.frames))
    assert ends == [False] * (len(segments) - 1) + [True] * bool(segments)
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


def test_a_segment_is_given_out_with_the_first_frame_of_the_next() -> None:
    taken = 0

    def counted() -> Iterator[Draw]:
        nonlocal taken
        for draw in numbered(100):
            taken += 1
            yield draw

    next(iter(cut(counted(), (1, 1), 5)))
    assert taken == SEGMENT_WINDOWS + 4 + 1
