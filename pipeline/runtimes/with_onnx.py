"""The step in ONNX Runtime.

A file is read as hostile: it may name no other files and no operators but those that `converted` writes, and
it may take no more than a step of the geometry that it claims to have.
"""

import logging
import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch.export import ExportedProgram

from mnad.step import Inputs, Outputs
from pipeline.errors import CheckpointError, missing_package
from pipeline.runtimes import wire
from pipeline.runtimes.bounds import MOST_NODES, MOST_RANK, REMEDY, Bounds, Tally
from pipeline.runtimes.program import MOST_BATCH
from pipeline.runtimes.runtime import Runtime

try:
    import onnx
    import onnxruntime
    import onnxscript  # noqa: F401  # torch.onnx writes with it
except ImportError as error:
    raise missing_package("onnx", error.name or "onnxruntime", "onnx") from error

_MOST_BESIDE = 2 << 20
"""Bytes of a file that are no weights, each of which parsing may make 94 of; a step has 0.2 MB."""
_CONVOLUTION = ("auto_pad", "dilations", "group", "pads", "strides")
_OPERATORS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        (
            *(
                "Abs",
                "Add",
                "And",
                "Clip",
                "Div",
                "Equal",
                "Exp",
                "Expand",
                "Greater",
                "GreaterOrEqual",
                "Less",
            ),
            *("LessOrEqual", "Log", "MatMul", "Max", "Min", "Mul", "Neg", "Not", "Pow", "Reciprocal", "Relu"),
            *("Sign", "Slice", "Sub", "Tanh", "Unsqueeze", "Where"),
        ),
        (),
    ),
    **dict.fromkeys(("Concat", "Gather", "GatherElements", "Softmax"), ("axis",)),
    **dict.fromkeys(
        ("ReduceL2", "ReduceMax", "ReduceMean", "ReduceSum"), ("keepdims", "noop_with_empty_axes")
    ),
    "ArgMax": ("axis", "keepdims", "select_last_index"),
    "Cast": ("to",),
    "ConstantOfShape": ("value",),
    "Conv": _CONVOLUTION,
    "ConvTranspose": (*_CONVOLUTION, "output_padding"),
    "MaxPool": (*_CONVOLUTION, "ceil_mode", "kernel_shape", "storage_order"),
    "Mod": ("fmod",),
    "Reshape": ("allowzero",),
    "ScatterElements": ("axis", "reduction"),
    "Shape": ("end", "start"),
    "Transpose": ("perm",),
}
"""What `converted` writes, for any method and size: operators, and the attributes of each."""
_DOMAINS = ("", "ai.onnx")
"""Names of ONNX's own operators."""
_TYPES: dict[int, int] = {
    onnx.TensorProto.FLOAT: 4,
    onnx.TensorProto.DOUBLE: 8,
    onnx.TensorProto.INT64: 8,
    onnx.TensorProto.INT32: 4,
    onnx.TensorProto.UINT8: 1,
    onnx.TensorProto.BOOL: 1,
}
"""The types of the values of tensors, and the bytes of each."""
_ATTRIBUTE = frozenset(("name", "type", "i", "ints", "s", "t"))
"""What an attribute consists of: numbers, text or a tensor, but no graph and nothing sparse."""


def converted(step: ExportedProgram) -> bytes:
    """The step as an ONNX model."""
    return as_onnx(step, Inputs._fields, Outputs._fields)


def as_onnx(program: ExportedProgram, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> bytes:
    """A program as an ONNX model.

    Args:
        program: the step, or a network.
        inputs, outputs: their names; torch's own if left out.
    """
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it says that torchvision, which nothing here uses, is not there
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
            made = torch.onnx.export(
                program,
                dynamo=True,
                input_names=list(inputs) or None,
                output_names=list(outputs) or None,
                verbose=False,
            )
    finally:
        logger.setLevel(level)
    assert made is not None
    data: bytes = made.model_proto.SerializeToString()
    return data


def checked(data: bytes, name: str, bounds: Bounds) -> bytes:
    """A model from elsewhere as ONNX Runtime may read it, written anew without what was not looked at.

    Args:
        data: of the file.
        name: of the file, for messages.
        bounds: of a step.

    Raises:
        CheckpointError: it could read other files, run foreign code, or take more than a step.
    """
    try:
        beside = wire.beside_weights(data)
    except ValueError as error:
        raise CheckpointError(f"{name}: found no ONNX model ({error}), expected one; {REMEDY}") from error
    if beside > _MOST_BESIDE:
        raise CheckpointError(
            f"{name}: found {beside} bytes beside weights, expected at most {_MOST_BESIDE}; {REMEDY}"
        )
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has a class of its own for it
        raise CheckpointError(f"{name}: found no ONNX model, expected one; {REMEDY}") from error
    try:
        _strip(model)
        _refuse_foreign(model.graph)
        one, many = (
            _sizes(model, bounds, Tally(bounds, len(data), name, batch), batch) for batch in (1, MOST_BATCH)
        )
        for output, shape in many.items():
            if shape[1:] != one[output][1:]:
                raise ValueError(
                    f"found {output!r:.60} of {shape}, expected only its first to follow the batch"
                )
    except ValueError as error:
        raise CheckpointError(f"{name}: not a model that is read here ({error}); {REMEDY}") from error
    whole: bytes = model.SerializeToString()
    return whole


def _strip(model: "onnx.ModelProto") -> None:
    """Leave the graph and its operators' version alone, and nothing that this version of ONNX does not know.

    Raises:
        ValueError: the graph needs more than that.
    """
    graph = model.graph
    for found, what in (
        (model.functions, "functions"),
        (graph.sparse_initializer, "sparse weights"),
        ([each for each in model.opset_import if each.domain not in _DOMAINS], "operators of its own"),
    ):
        if found:
            raise ValueError(f"found {what}, expected operators of ONNX and weights alone")
    for message, kept in (
        (model, ("ir_version", "opset_import", "graph")),
        (graph, ("name", "node", "input", "output", "initializer")),
    ):
        for field, _ in message.ListFields():
            if field.name not in kept:
                message.ClearField(field.name)
    for value in graph.output:
        value.type.tensor_type.ClearField("shape")  # is inferred
    model.DiscardUnknownFields()


def _refuse_foreign(graph: "onnx.GraphProto") -> None:
    """Refuse operators, attributes and weights that `converted` does not write.

    Raises:
        ValueError: names one.
    """
    tensors = list(graph.initializer)
    if max(len(graph.node), len(tensors)) > MOST_NODES:
        raise ValueError(f"found {len(graph.node)} operators, expected at most {MOST_NODES}")
    for node in graph.node:
        if node.domain not in _DOMAINS or node.op_type not in _OPERATORS:
            raise ValueError(f"found the operator {node.op_type!r:.40}, expected those that export writes")
        if len(node.output) != 1 or not node.output[0]:
            raise ValueError(f"found {node.op_type} of {len(node.output)} outputs, expected one")
        for attribute in node.attribute:
            parts = {field.name for field, _ in attribute.ListFields()}
            if attribute.name not in _OPERATORS[node.op_type] or not parts <= _ATTRIBUTE:
                raise ValueError(
                    f"found {attribute.name!r:.40} of {node.op_type}, expected what export writes"
                )
            tensors += [attribute.t] if attribute.HasField("t") else []
    for tensor in tensors:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise ValueError("found data in other files, expected all in one")
        dims = list(tensor.dims)
        if (
            tensor.data_type not in _TYPES
            or len(dims) > MOST_RANK
            or min(dims, default=0) < 0
            or math.prod(dims) > tensor.ByteSize()  # no type takes less than a byte for a value
        ):
            raise ValueError(f"found {tensor.name!r:.60} of {dims!s:.100}, expected as many values as it has")


def _sizes(model: "onnx.ModelProto", bounds: Bounds, tally: Tally, batch: int) -> dict[str, list[int]]:
    """The shape of each tensor that an operator makes, one operator after the other, each added up.

    ONNX can infer all at once. But along with the values that say shapes, which are needed, it then computes
    whatever else it can: a chain of 22 concatenations in 869 bytes took 0.9 GB.

    Raises:
        ValueError: a shape is not known, or operators are not in order.
        CheckpointError: as `Tally`.
    """
    types = _inputs(model.graph, bounds, batch)
    values: dict[str, np.ndarray] = {}
    for tensor in model.graph.initializer:
        if tensor.name in types:
            raise ValueError(f"found {tensor.name!r:.60} twice")
        types[tensor.name] = onnx.helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        if tensor.data_type == onnx.TensorProto.INT64 and math.prod(tensor.dims) <= MOST_RANK:
            values[tensor.name] = onnx.numpy_helper.to_array(tensor)
    constants = types.keys() - {*Inputs._fields}
    found = {}
    for node in model.graph.node:
        read = [each for each in node.input if each]
        if not all(each in types for each in read) or any(each in types for each in node.output):
            raise ValueError(f"found {node.op_type} before what it reads, or twice")
        given = {each: types[each] for each in read}
        made = _inferred(model, node, given, values)
        types.update(made)
        shapes = [_shape(types[each]) for each in read]
        values.update(_values(node, shapes, values))
        if constants.issuperset(read):
            constants.update(made)
        found.update({name: _shape(kind) for name, kind in made.items()})
        taken = [*made.values(), *(types[name] for name in read if name in constants)]
        tally.add(
            node.output[0],
            node.op_type,
            shapes,
            [found[name] for name in made],
            sum(_TYPES[kind.tensor_type.elem_type] * math.prod(_shape(kind)) for kind in taken),
        )
    return found


def _inputs(graph: "onnx.GraphProto", bounds: Bounds, batch: int) -> dict[str, "onnx.TypeProto"]:
    """The types of a step's inputs for a number of windows, if the graph has these."""
    if [value.name for value in graph.input] != list(Inputs._fields):
        raise ValueError("found other inputs than those of one step of scoring")
    types = {}
    for value, expected in zip(graph.input, bounds.inputs, strict=True):
        kind = value.type.tensor_type
        shape = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim]
        if shape != expected or kind.elem_type not in _TYPES:
            raise ValueError(f"found {value.name} of {shape!s:.100}, expected {expected}")
        whole = [batch if length == -1 else length for length in shape]
        types[value.name] = onnx.helper.make_tensor_type_proto(kind.elem_type, whole)
    return types


def _inferred(
    model: "onnx.ModelProto",
    node: "onnx.NodeProto",
    given: dict[str, "onnx.TypeProto"],
    values: dict[str, np.ndarray],
) -> dict[str, "onnx.TypeProto"]:
    """The types of what an operator makes, each of a known shape."""
    version = max(each.version for each in model.opset_import)
    known = {name: onnx.numpy_helper.from_array(values[name]) for name in given if name in values}
    try:
        made: dict[str, onnx.TypeProto] = onnx.shape_inference.infer_node_outputs(
            onnx.defs.get_schema(node.op_type, version, ""),
            node,
            given,
            known,
            opset_imports=list(model.opset_import),
            ir_version=model.ir_version,
        )
    except Exception as error:  # classes of its own
        raise ValueError(f"found {node.op_type} that does not fit what it reads") from error
    for name in node.output:
        kind = made[name].tensor_type if name in made else onnx.TypeProto.Tensor()
        if kind.elem_type not in _TYPES or not all(dim.HasField("dim_value") for dim in kind.shape.dim):
            raise ValueError(f"found {name!r:.60} of unknown size or type, expected a known one")
        if not kind.HasField("shape") or min(_shape(made[name]), default=0) < 0:
            raise ValueError(f"found {name!r:.60} of unknown size, expected a known one")
    return {name: made[name] for name in node.output}


def _shape(kind: "onnx.TypeProto") -> list[int]:
    return [dim.dim_value for dim in kind.tensor_type.shape.dim]


def _values(
    node: "onnx.NodeProto", given: list[list[int]], values: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The values of a shape that an operator makes of shapes, if it does.

    Raises:
        ValueError: the operator cuts the batch, so that a tensor might be largest for some batch in between.
    """
    attributes = {each.name: each.i for each in node.attribute}
    if node.op_type == "Slice":
        axes = values.get(node.input[3], np.zeros(1)) if len(node.input) > 3 else np.zeros(1)
        if 0 in axes % max(1, len(given[0])):
            raise ValueError("found a slice of the batch, expected none")
    if node.op_type == "Shape":
        whole = np.array(given[0], np.int64)
        return {node.output[0]: whole[attributes.get("start", 0) : attributes.get("end")]}
    if node.op_type == "Concat" and all(name in values and values[name].ndim == 1 for name in node.input):
        joined = np.concatenate([values[name] for name in node.input])
        return {node.output[0]: joined} if len(joined) <= MOST_RANK else {}
    return {}


def onnx_runtime(data: bytes, name: str) -> Runtime:
    """A model, made ready.

    Args:
        data: what `converted` gave, or a file that `checked` has let pass.
        name: for messages.

    Raises:
        CheckpointError: it is no step.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # there is no common class
        raise CheckpointError(
            f"{name}: found a model that ONNX Runtime cannot load ({str(error).splitlines()[0]:.100}); "
            "export it again"
        ) from error
    found = [each.name for each in session.get_inputs()], [each.name for each in session.get_outputs()]
    if found != (list(Inputs._fields), list(Outputs._fields)):
        raise CheckpointError(f"{name}: found another model, expected one step of scoring; export it again")

    def run(inputs: Inputs) -> Outputs:
        given = {key: value.contiguous().numpy() for key, value in inputs._asdict().items()}
        return Outputs(*map(torch.from_numpy, session.run(None, given)))

    return Runtime(name="onnx", precision="fp32", step=run)
