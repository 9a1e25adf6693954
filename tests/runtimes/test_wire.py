"""What of an ONNX file is not weights is counted without parsing it."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from pipeline.runtimes.wire import MOST_FIELDS, beside_weights


def model(*sizes: int) -> onnx.ModelProto:
    weights = [
        onnx.numpy_helper.from_array(np.zeros(size, np.float32), str(number))
        for number, size in enumerate(sizes)
    ]
    nodes = [helper.make_node("Relu", ["0"], ["y"])]
    return helper.make_model(helper.make_graph(nodes, "graph", [], [], weights))


def length(count: int) -> bytes:
    return bytes([*(count >> shift & 127 | 128 for shift in (0, 7, 14)), count >> 21])


@given(st.lists(st.integers(0, 5000), max_size=5))
def test_bytes_are_those_of_all_but_the_values_of_weights(sizes: list[int]) -> None:
    data = model(*sizes).SerializeToString()
    assert beside_weights(data) == len(data) - 4 * sum(sizes)


@given(st.binary(max_size=200))
def test_any_bytes_are_counted_or_refused(data: bytes) -> None:
    try:
        assert 0 <= beside_weights(data) <= len(data)
    except ValueError as error:
        assert "\n" not in str(error)


@given(st.data())
def test_a_changed_model_is_counted_or_refused(data: st.DataObject) -> None:
    whole = bytearray(model(3, 200).SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert 0 <= beside_weights(bytes(whole)) <= len(whole)
    except ValueError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("field", [0x0A, 0x2A], ids=["nodes", "weights"])
def test_countless_empty_parts_are_refused(field: int) -> None:
    empty = bytes([field, 0]) * (MOST_FIELDS + 1)
    with pytest.raises(ValueError, match=f"more than {MOST_FIELDS} parts"):
        beside_weights(b"\x3a" + length(len(empty)) + empty)


def test_empty_parts_of_a_weight_are_no_values() -> None:
    empty = bytes([0x6A, 0]) * 1000
    data = b"\x2a" + length(len(empty)) + empty
    data = b"\x3a" + length(len(data)) + data
    assert beside_weights(data) == len(data)
