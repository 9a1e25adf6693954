"""The step in ONNX Runtime.

A file is read as hostile: it may name no other files, no operators but those that `converted` writes, and no
tensor larger than those of the network that it claims to be.
"""

import logging
import math
import warnings
from collections.abc import Sequence

import torch
from torch.export import ExportedProgram

from mnad.step import Inputs, Outputs
from pipeline.errors import CheckpointError, missing_package
from pipeline.runtimes.runtime import Runtime

try:
    import onnx
    import onnxruntime
    import onnxscript  # noqa: F401  # torch.onnx writes with it
except ImportError as error:
    raise missing_package("onnx", error.name or "onnxruntime", "onnx") from error


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


def checked(data: bytes, name: str, most_values: int) -> None:
    """Refuse a model that could read other files, run foreign code, or exhaust memory.

    Args:
        data: of the file.
        name: of the file, for messages.
        most_values: of any tensor, for one window.

    Raises:
        CheckpointError: it is no such model.
    """
    remedy = "export it again, or take it from where it was made"
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has a class of its own for it
        raise CheckpointError(f"{name}: found no ONNX model, expected one; {remedy}") from error
    domains = {node.domain for node in model.graph.node} | {each.domain for each in model.functions}
    if domains - {"", "ai.onnx"} or model.functions:
        raise CheckpointError(f"{name}: found operators of its own, expected those of ONNX alone; {remedy}")
    tensors = list(model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise CheckpointError(f"{name}: found a graph inside {node.op_type}, expected none; {remedy}")
            tensors += [attribute.t] if attribute.HasField("t") else []
            tensors += list(attribute.tensors)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data for tensor in tensors):
        raise CheckpointError(f"{name}: found data in other files, expected all in one; {remedy}")
    _refuse_large(model, name, most_values, remedy)


def _refuse_large(model: "onnx.ModelProto", name: str, most_values: int, remedy: str) -> None:
    for value in model.graph.input:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param:
                dim.Clear()
                dim.dim_value = 1
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # a class of its own again
        raise CheckpointError(f"{name}: found shapes that do not fit together; {remedy}") from error
    known = {value.name: value for value in (*inferred.graph.value_info, *inferred.graph.output)}
    for node in inferred.graph.node:
        for output in filter(None, node.output):
            value = known.get(output)
            dims = [] if value is None else list(value.type.tensor_type.shape.dim)
            if value is None or not value.type.tensor_type.HasField("shape"):
                raise CheckpointError(
                    f"{name}: found {output} of unknown size, expected a known one; {remedy}"
                )
            if any(not dim.HasField("dim_value") for dim in dims) or (
                math.prod(dim.dim_value for dim in dims) > most_values
            ):
                raise CheckpointError(
                    f"{name}: found {output} of {[dim.dim_value or dim.dim_param for dim in dims]!s:.100}, "
                    f"expected at most {most_values} values; {remedy}"
                )


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
