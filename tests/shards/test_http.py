"""Bytes of an answer land where they belong, however it is cut up."""

from hypothesis import given
from hypothesis import strategies as st

from shards.buffers import scatter


@given(
    sizes=st.lists(st.integers(0, 9), max_size=6),
    cuts=st.lists(st.integers(1, 7), min_size=1),
    data=st.data(),
)
def test_chunks_of_any_size_fill_buffers_of_any_size(
    sizes: list[int], cuts: list[int], data: st.DataObject
) -> None:
    buffers = [bytearray(size) for size in sizes]
    content = data.draw(st.binary(min_size=0, max_size=sum(sizes)))
    position = 0
    while position < len(content):
        for size in cuts:
            chunk = content[position : position + size]
            scatter(memoryview(chunk), [memoryview(buffer) for buffer in buffers], position)
            position += len(chunk)
    assert b"".join(buffers) == content + bytes(sum(sizes) - len(content))
