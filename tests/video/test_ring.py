"""The ring: what is taken is what was put, and a bounded number waits."""

import os
from collections import deque
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.video import ring as module
from pipeline.video.ring import Putter, open_ring, take

SIZES = st.tuples(st.integers(1, 12), st.integers(1, 12))


@pytest.fixture(scope="module")
def ring() -> Iterator[int]:
    descriptor = open_ring()
    yield descriptor
    os.close(descriptor)


@given(groups=st.lists(st.lists(SIZES, min_size=1, max_size=2), max_size=30), most=st.integers(1, 5))
def test_pictures_come_out_as_they_went_in_and_few_wait(
    ring: int, groups: list[list[tuple[int, int]]], most: int
) -> None:
    random = np.random.default_rng(0)
    waiting: deque[tuple[int, list[np.ndarray]]] = deque()

    def taken() -> None:
        place, expected = waiting.popleft()
        for one, other in zip(take(ring, place, [p.shape[:2] for p in expected]), expected, strict=True):
            np.testing.assert_array_equal(one, other)

    putter = Putter(ring, most, taken)
    for sizes in groups:
        pictures = [random.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
        waiting.append((putter.put(pictures), pictures))
        assert len(waiting) <= most
        assert len({place for place, _ in waiting}) == len(waiting)
    putter.finish()
    assert not waiting


def test_large_pictures_wait_one_at_a_time(ring: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AHEAD_BYTES", 100)
    waiting = 0

    def taken() -> None:
        nonlocal waiting
        waiting -= 1

    putter = Putter(ring, 8, taken)
    for _ in range(5):
        assert putter.put([np.zeros((6, 6, 3), np.uint8)]) <= 1
        waiting += 1
        assert waiting == 1
    assert os.fstat(ring).st_blocks * 512 < 1 << 20  # places that hold nothing take nothing
