"""The step in OpenVINO."""

import math
import warnings
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from mnad.step import Inputs, Outputs
from pipeline.errors import CheckpointError
from pipeline.runtimes import ir
from pipeline.runtimes.bounds import REMEDY, Bounds, Tally
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


def read(xml: bytes, weights: bytes, name: str, bounds: Bounds) -> Any:
    """A model from the two files of a hostile folder.

    Args:
        xml, weights: their bytes.
        name: of the first, for messages.
        bounds: of a step.

    Raises:
        CheckpointError: it is no step, or would take more than one.
    """
    try:
        model = openvino.Core().read_model(ir.checked(xml, len(weights)), weights)
        names = [port.any_name for port in model.inputs], [port.any_name for port in model.outputs]
        if names != (list(Inputs._fields), list(Outputs._fields)):
            raise CheckpointError(f"{name}: found another model, expected one step of scoring; {REMEDY}")
        if [port.partial_shape for port in model.inputs] != list(map(openvino.PartialShape, bounds.inputs)):
            raise CheckpointError(f"{name}: found inputs of another size, expected {bounds.inputs}; {REMEDY}")
        _refuse_growth(model, name)
        single = model.clone()
        single.reshape(
            {
                port: openvino.PartialShape([abs(length) for length in shape])
                for port, shape in zip(single.inputs, bounds.inputs, strict=True)
            }
        )
    except RuntimeError as error:
        raise CheckpointError(
            f"{name}: found a model that OpenVINO cannot read ({str(error).strip().splitlines()[-1]:.100}); "
            f"{REMEDY}"
        ) from error
    except ValueError as error:
        raise CheckpointError(
            f"{name}: not a model that is read here ({str(error).splitlines()[0]:.200}); {REMEDY}"
        ) from error
    _add_up(single, Tally(bounds, len(weights), name))
    return model


def _refuse_growth(model: Any, name: str) -> None:
    """Let a tensor's first dimension alone follow the batch: then none grows faster than the batch does.

    Shapes are made of constants and shapes alone (`ir.checked`), without products of them. So a dimension is
    at most f(B) <= B f(1), and a tensor with two of them could grow with the square of the batch.
    """
    for node in model.get_ordered_ops():
        for port in node.outputs():
            shape = port.partial_shape
            if shape.rank.is_dynamic or any(dim.is_dynamic for dim in list(shape)[1:]):
                raise CheckpointError(
                    f"{name}: found {node.get_friendly_name()!r:.60} of {shape}, expected a known size "
                    f"but for the batch; {REMEDY}"
                )


def _add_up(model: Any, tally: Tally) -> None:
    """Count the operators of a model of one window."""
    constants: set[str] = set()
    known: dict[tuple[str, int], tuple[list[int], int]] = {}  # the shape and the bytes of each tensor
    for node in model.get_ordered_ops():
        name, kind = node.get_name(), node.get_type_name()
        sources = [(port.get_node().get_name(), port.get_index()) for port in node.input_values()]
        if kind != "Parameter" and constants.issuperset(source for source, _ in sources):
            constants.add(name)
        made = []
        for index, port in enumerate(node.outputs()):
            shape = list(port.shape)
            made.append((shape, port.element_type.size * math.prod(shape)))
            known[name, index] = made[-1]
        given = [known[source][0] for source in sources]
        if kind == "MatMul" and node.get_attributes()["transpose_a"]:
            given[0] = [*given[0][:-2], *given[0][:-3:-1]]
        taken = sum(known[source][1] for source in sources if source[0] in constants)
        tally.add(
            node.get_friendly_name(),
            kind,
            given,
            [shape for shape, _ in made],
            taken + sum(size for _, size in made),
        )


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
