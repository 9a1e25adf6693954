"""A model file that could read other files, run foreign code or exhaust memory is refused."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.errors import CheckpointError
from pipeline.runtimes import with_onnx, with_openvino

MOST = 1 << 20


def model(nodes: list[onnx.NodeProto], initializers: list[TensorProto]) -> onnx.ModelProto:
    """A graph from x (B, 4) to y."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "graph", [given], [found], initializers)
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    )


def external() -> onnx.ModelProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    return model([helper.make_node("Add", ["x", "w"], ["y"])], [tensor])


def external_in_a_node() -> onnx.ModelProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4])
    tensor.external_data.add(key="location", value="../secret")
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    return model([constant, helper.make_node("Add", ["x", "w"], ["y"])], [])


def own_operators() -> onnx.ModelProto:
    return model([helper.make_node("Run", ["x"], ["y"], domain="own")], [])


def graph_in_a_graph() -> onnx.ModelProto:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["z"])],
        "inner",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    return model([node], [condition])


def vast() -> onnx.ModelProto:
    shape = helper.make_tensor("s", TensorProto.INT64, [2], [1 << 20, 1 << 20])
    return model([helper.make_node("ConstantOfShape", ["s"], ["y"])], [shape])


def of_a_size_that_the_input_decides() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Cast", ["x"], ["n"], to=TensorProto.INT64),
        helper.make_node("Squeeze", ["n"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["y"]),
    ]
    return model(nodes, [])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (external, "data in other files"),
        (external_in_a_node, "data in other files"),
        (own_operators, "operators of its own"),
        (graph_in_a_graph, "a graph inside If"),
        (vast, "expected at most"),
        (of_a_size_that_the_input_decides, "expected"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_onnx_model_that_may_do_harm_is_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CheckpointError, match=message) as caught:
        with_onnx.checked(make().SerializeToString(), "model.onnx", MOST)
    assert "\n" not in str(caught.value)


def test_what_is_no_onnx_model_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no ONNX model"):
        with_onnx.checked(b"\xff" * 100, "model.onnx", MOST)


def test_a_sound_onnx_model_passes_and_is_still_no_step() -> None:
    data = model([helper.make_node("Relu", ["x"], ["y"])], []).SerializeToString()
    with_onnx.checked(data, "model.onnx", MOST)


@pytest.mark.parametrize("xml", [b"", b"<net", b"<?xml version='1.0'?><net name='m' version='11'/>"])
def test_what_is_no_openvino_model_is_refused(tmp_path: Path, xml: bytes) -> None:
    with pytest.raises(CheckpointError) as caught:
        with_openvino.read(xml, b"", "model.xml", MOST)
    assert "\n" not in str(caught.value)
