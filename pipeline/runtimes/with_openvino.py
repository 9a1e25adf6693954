"""The step in OpenVINO."""

import warnings
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from mnad.step import Inputs, Outputs
from pipeline.errors import CheckpointError
from pipeline.runtimes.runtime import Runtime, StepPrecision
from pipeline.runtimes.silent import HINTS, openvino


def converted(step: ExportedProgram, shapes: list[list[int]]) -> Any:
    """The step as an `openvino.Model` that computes in float32.

    Args:
        step: the program.
        shapes: of its inputs, -1 for the batch.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        model = openvino.convert_model(step)
    return as_step(model, shapes)


def as_step(model: Any, shapes: list[list[int]]) -> Any:
    """A step with the shapes and the names of its inputs and outputs; it is changed."""
    model.reshape(
        {port: openvino.PartialShape(shape) for port, shape in zip(model.inputs, shapes, strict=True)}
    )
    for ports, names in ((model.inputs, Inputs._fields), (model.outputs, Outputs._fields)):
        for port, name in zip(ports, names, strict=True):
            port.get_tensor().set_names({name})
    return model


def save(model: Any, folder: Path) -> None:
    """Write model.xml and model.bin, weights in full precision."""
    openvino.save_model(model, folder / "model.xml", compress_to_fp16=False)


def read(xml: bytes, weights: bytes, name: str, most_values: int) -> Any:
    """A model from the two files of a hostile folder.

    Args:
        xml, weights: their bytes.
        name: of the first, for messages.
        most_values: of any tensor, for one window.

    Raises:
        CheckpointError: it is no step, or one of its tensors is larger.
    """
    remedy = "export it again, or take it from where it was made"
    try:
        model = openvino.Core().read_model(xml, weights)
        names = [port.any_name for port in model.inputs], [port.any_name for port in model.outputs]
        if names != (list(Inputs._fields), list(Outputs._fields)):
            raise CheckpointError(f"{name}: found another model, expected one step of scoring; {remedy}")
        single = model.clone()
        single.reshape(
            {
                port: openvino.PartialShape([1 if dim.is_dynamic else dim for dim in port.partial_shape])
                for port in single.inputs
            }
        )
    except RuntimeError as error:
        raise CheckpointError(
            f"{name}: found a model that OpenVINO cannot read ({str(error).strip().splitlines()[-1]:.100}); "
            f"{remedy}"
        ) from error
    for node in single.get_ordered_ops():
        for port in node.outputs():
            shape = port.partial_shape
            if shape.is_dynamic or _values(shape) > most_values:
                raise CheckpointError(
                    f"{name}: found {node.get_friendly_name():.60} of {shape}, expected at most "
                    f"{most_values} values; {remedy}"
                )
    return model


def _values(shape: Any) -> int:
    count = 1
    for dim in shape:
        count *= dim.get_length()
    return count


def openvino_runtime(model: Any, precision: StepPrecision) -> Runtime:
    """A model, made ready.

    Args:
        model: what `converted` or `read` gave.
        precision: what it computes in.
    """
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": HINTS[precision]})
    request = compiled.create_infer_request()

    def run(inputs: Inputs) -> Outputs:
        given = [value.contiguous().numpy() for value in inputs]
        found = request.infer(given, share_inputs=True)
        return Outputs(*(torch.from_numpy(found[port].copy()) for port in compiled.outputs))

    return Runtime(name="openvino", precision=precision, step=run)
