"""A model file that could read other files, run foreign code or exhaust memory is refused."""

from collections.abc import Callable, Sequence

import numpy as np
import onnx
import pytest
from onnx import NodeProto, TensorProto, helper

from mnad.step import Inputs
from pipeline.errors import CheckpointError
from pipeline.runtimes import with_onnx, with_openvino
from pipeline.runtimes.bounds import bounds

BOUNDS = bounds(10, 5, 64, 64)


def model(nodes: Sequence[NodeProto], weights: Sequence[TensorProto] = ()) -> onnx.ModelProto:
    """A graph with the inputs of a step, which makes y."""
    types = [TensorProto.UINT8, *[TensorProto.FLOAT] * 3]
    given = [
        helper.make_tensor_value_info(name, kind, ["batch" if length == -1 else length for length in shape])
        for name, kind, shape in zip(Inputs._fields, types, BOUNDS.inputs, strict=True)
    ]
    found = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "graph", given, [found], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def numbers(name: str, *values: int) -> TensorProto:
    return helper.make_tensor(name, TensorProto.INT64, [len(values)], values)


def outside(name: str) -> TensorProto:
    """A tensor whose values are said to lie in another file."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    return tensor


def external() -> onnx.ModelProto:
    return model([helper.make_node("Add", ["keep", "w"], ["y"])], [outside("w")])


def external_in_a_node() -> onnx.ModelProto:
    shape = helper.make_node("Shape", ["keep"], ["s"])
    return model([shape, helper.make_node("ConstantOfShape", ["s"], ["y"], value=outside("w"))])


def external_and_sparse() -> onnx.ModelProto:
    made = model([helper.make_node("Add", ["threshold", "w"], ["y"])])
    sparse = made.graph.sparse_initializer.add()
    sparse.values.CopyFrom(outside("w"))
    sparse.indices.CopyFrom(numbers("i", 0))
    sparse.dims.append(4)
    return made


def sparse_in_a_node() -> onnx.ModelProto:
    made = external_and_sparse()
    node = helper.make_node("ConstantOfShape", ["s"], ["y"])
    attribute = node.attribute.add(name="value", type=onnx.AttributeProto.SPARSE_TENSOR)
    attribute.sparse_tensor.CopyFrom(made.graph.sparse_initializer[0])
    return model([node], [numbers("s", 4)])


def own_operators() -> onnx.ModelProto:
    return model([helper.make_node("Relu", ["keep"], ["y"], domain="own")])


def own_functions() -> onnx.ModelProto:
    made = model([helper.make_node("Relu", ["keep"], ["y"])])
    inner = helper.make_node("Neg", ["x"], ["y"])
    made.functions.append(helper.make_function("", "Relu", ["x"], ["y"], [inner], made.opset_import))
    return made


def graph_in_a_graph() -> onnx.ModelProto:
    made = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    inner = helper.make_graph([helper.make_node("Identity", ["keep"], ["z"])], "inner", [], [made])
    condition = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    return model([node], [condition])


def graph_in_an_attribute() -> onnx.ModelProto:
    node = helper.make_node("Softmax", ["keep"], ["y"], axis=0)
    node.attribute[0].g.name = "inner"
    return model([node])


def other_inputs() -> onnx.ModelProto:
    made = model([helper.make_node("Relu", ["keep"], ["y"])])
    made.graph.input[3].type.tensor_type.shape.dim[0].dim_value = 1 << 20
    return made


def of_any_size() -> onnx.ModelProto:
    made = model([helper.make_node("Relu", ["keep"], ["y"])])
    made.graph.input[3].type.tensor_type.shape.dim[0].dim_param = "batch"
    return made


def vast() -> onnx.ModelProto:
    return model([helper.make_node("ConstantOfShape", ["s"], ["y"])], [numbers("s", 1 << 20, 1 << 20)])


def weights_without_values() -> onnx.ModelProto:
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1 << 20, 1 << 20])
    return model([helper.make_node("Add", ["keep", "w"], ["y"])], [weight])


def of_a_size_that_the_input_decides() -> onnx.ModelProto:
    cast = helper.make_node("Cast", ["threshold"], ["n"], to=TensorProto.INT64)
    one = helper.make_node("Unsqueeze", ["n", "axis"], ["s"])
    return model([cast, one, helper.make_node("ConstantOfShape", ["s"], ["y"])], [numbers("axis", 0)])


def doubled() -> onnx.ModelProto:
    """Each tensor twice as long as that before; to infer all at once, with values, took 3.7 GB."""
    nodes = [helper.make_node("Concat", [f"a{i}", f"a{i}"], [f"a{i + 1}"], axis=0) for i in range(24)]
    return model([*nodes, helper.make_node("Cast", ["a24"], ["y"], to=TensorProto.FLOAT)], [numbers("a0", 1)])


def many_at_once() -> onnx.ModelProto:
    """None larger than a tensor may be, but together 1.5 GB."""
    largest = BOUNDS.values
    nodes = [helper.make_node("Expand", ["threshold", "s"], [f"e{i}"]) for i in range(40)]
    return model(
        [*nodes, helper.make_node("Max", [f"e{i}" for i in range(40)], ["y"])], [numbers("s", largest)]
    )


def one_weight_read_often() -> onnx.ModelProto:
    """A runtime packs weights anew for each operator that reads them."""
    weight = onnx.numpy_helper.from_array(np.zeros((64, 4096), np.float32), "w")
    nodes = [helper.make_node("MatMul", ["keep", "w"], [f"m{i}"]) for i in range(100)]
    return model([*nodes, helper.make_node("Max", [f"m{i}" for i in range(100)], ["y"])], [weight])


def long_sums() -> onnx.ModelProto:
    """Of twenty small tensors each value is a sum of a thousand."""
    square = helper.make_node("Expand", ["threshold", "s"], ["m0"])
    nodes = [helper.make_node("MatMul", [f"m{i}", "m0"], [f"m{i + 1}"]) for i in range(20)]
    return model([square, *nodes, helper.make_node("Relu", ["m20"], ["y"])], [numbers("s", 1024, 1024)])


def wide_kernel() -> onnx.ModelProto:
    weight = onnx.numpy_helper.from_array(np.zeros((1, 1, 9, 9), np.float32), "w")
    picture = helper.make_node("Unsqueeze", ["keep", "axes"], ["x"])
    return model(
        [picture, helper.make_node("ConvTranspose", ["x", "w"], ["y"])], [weight, numbers("axes", 0, 1)]
    )


def square_of_the_batch() -> onnx.ModelProto:
    """One window makes one value, and 1024 make a million."""
    sums = helper.make_node("ReduceSum", ["memory", "axes"], ["a"], keepdims=0)
    column = helper.make_node("Unsqueeze", ["a", "axis"], ["b"])
    return model(
        [sums, column, helper.make_node("Add", ["a", "b"], ["y"])],
        [numbers("axes", 1, 2), numbers("axis", 1)],
    )


def part_of_the_batch() -> onnx.ModelProto:
    weights = [numbers("start", 0), numbers("end", 2)]
    return model([helper.make_node("Slice", ["memory", "start", "end"], ["y"])], weights)


def out_of_order() -> onnx.ModelProto:
    return model([helper.make_node("Relu", ["b"], ["y"]), helper.make_node("Relu", ["keep"], ["b"])])


def countless() -> onnx.ModelProto:
    nodes = [helper.make_node("Relu", ["keep"], [f"r{i}"]) for i in range(3000)]
    return model([*nodes, helper.make_node("Relu", ["keep"], ["y"])])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (external, "data in other files"),
        (external_in_a_node, "data in other files"),
        (external_and_sparse, "sparse weights"),
        (sparse_in_a_node, "'value' of ConstantOfShape"),
        (own_operators, "the operator 'Relu'"),
        (own_functions, "functions"),
        (graph_in_a_graph, "the operator 'If'"),
        (graph_in_an_attribute, "'axis' of Softmax"),
        (other_inputs, r"keep of \[1048576, 64\]"),
        (of_any_size, r"keep of \[-1, 64\]"),
        (vast, "expected at most"),
        (weights_without_values, "as many values as it has"),
        (of_a_size_that_the_input_decides, "unknown size"),
        (doubled, "expected at most"),
        (many_at_once, "bytes of tensors"),
        (one_weight_read_often, "bytes of tensors"),
        (long_sums, "multiplications"),
        (wide_kernel, "expected at most 3x3"),
        (square_of_the_batch, "only its first to follow the batch|expected at most"),
        (part_of_the_batch, "a slice of the batch"),
        (out_of_order, "before what it reads"),
        (countless, "3001 operators"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_onnx_model_that_may_do_harm_is_refused(make: Callable[[], onnx.ModelProto], message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        with_onnx.checked(make().SerializeToString(), "model.onnx", BOUNDS)
    assert "\n" not in str(caught.value)


def test_what_is_no_onnx_model_is_refused() -> None:
    with pytest.raises(CheckpointError, match="no ONNX model"):
        with_onnx.checked(b"\xff" * 100, "model.onnx", BOUNDS)


def test_a_sound_onnx_model_passes_without_what_was_not_looked_at() -> None:
    made = model([helper.make_node("Relu", ["keep"], ["y"])])
    expected = made.SerializeToString(deterministic=True)
    helper.set_model_props(made, {"key": "value"})
    made.graph.value_info.add(name="y")
    found = with_onnx.checked(made.SerializeToString() + b"\xfa\x3f\x02hi", "model.onnx", BOUNDS)
    assert onnx.load_model_from_string(found).graph == onnx.load_model_from_string(expected).graph
    assert b"hi" not in found
    assert b"value" not in found


@pytest.mark.parametrize("xml", [b"", b"<net", b"<?xml version='1.0'?><net name='m' version='11'/>"])
def test_what_is_no_openvino_model_is_refused(xml: bytes) -> None:
    with pytest.raises(CheckpointError) as caught:
        with_openvino.read(xml, b"", "model.xml", BOUNDS)
    assert "\n" not in str(caught.value)
