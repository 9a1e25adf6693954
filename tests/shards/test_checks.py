"""How whole columns are looked at; what is refused is in test_manifest.py and tests/hostile/."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards import checks


@given(count=st.integers(0, 12), rows=st.integers(1, 13), shuffled=st.booleans())
def test_blocks_give_each_segment_once_with_its_neighbours(count: int, rows: int, shuffled: bool) -> None:
    order = np.random.default_rng(count).permutation(count) if shuffled else None
    column = np.arange(count)
    wanted = column if order is None else order
    seen: list[tuple[object, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "_ROWS", rows)
        for block in checks._blocks(count, order):
            own, before, after = (
                column[places].tolist() for places in (block.rows, block.before, block.after)
            )
            flags = (np.broadcast_to(flag, len(own)).tolist() for flag in (block.is_start, block.is_end))
            assert [block.row(number) for number in range(len(own))] == own
            seen += zip(own, before, after, *flags, strict=True)
    ends = [*wanted[:1], *wanted, *wanted[-1:]]
    assert seen == [
        (own, ends[place], ends[place + 2], place == 0, place == count - 1)
        for place, own in enumerate(wanted)
    ]
