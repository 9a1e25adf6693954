"""The step around its two networks, as OpenVINO has them: joined to one graph, and cut out of it again.

What runs outside this project is one graph. What scores here runs encoder and decoder alone, and so do those
who quantise them.
"""

import copy
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, export

from mnad import MNAD
from mnad.networks import STRIDE, WIDTHS
from mnad.step import Step
from pipeline.errors import CheckpointError
from pipeline.runtimes.networks import run_by
from pipeline.runtimes.program import MOST_BATCH, example, shapes
from pipeline.runtimes.silent import openvino
from pipeline.runtimes.with_openvino import as_step

_INPUTS, _GRID = "encoder.inputs", "decoder.inputs"
_ENCODED = "encoder.outputs."
"""Names of what passes between the networks and the step; features and skips are numbered."""


class _Exchange:
    """Stands for both networks: keeps what they are asked, and gives what was put into it."""

    inputs: Tensor
    features: Tensor
    grid: Tensor
    frame: Tensor

    def encoded(self, given: Sequence[Tensor]) -> list[Tensor]:
        (self.inputs,) = given
        return [self.features]

    def decoded(self, given: Sequence[Tensor]) -> list[Tensor]:
        self.grid = given[0]
        return [self.frame]


class _Around(nn.Module):
    """The step without its networks: what these give goes in, and what they take comes out."""

    def __init__(self, model: MNAD, height: int, width: int) -> None:
        super().__init__()
        self._exchange = _Exchange()
        without = run_by(copy.deepcopy(model), self._exchange.encoded, self._exchange.decoded)
        self._step = Step(without, height, width)

    def forward(
        self, window: Tensor, memory: Tensor, threshold: Tensor, keep: Tensor, features: Tensor, frame: Tensor
    ) -> tuple[Tensor, ...]:
        self._exchange.features, self._exchange.frame = features, frame
        outputs = self._step(window, memory, threshold, keep)
        return self._exchange.inputs, self._exchange.grid, *outputs


def joined(model: MNAD, window: int, size: tuple[int, int], networks: Sequence[Any]) -> Any:
    """The step as an `openvino.Model`.

    Args:
        model: in eval mode, on the CPU, of frames of three channels.
        window: T.
        size: height and width of the frames.
        networks: encoder and decoder, as `pipeline.runtimes.networks` has them; `openvino.Model`s.
    """
    height, width = size
    given = example(model, window, height, width, batch=2)
    features = torch.zeros(2, WIDTHS[-1], height // STRIDE, width // STRIDE)
    batch = {0: Dim("batch", min=1, max=MOST_BATCH)}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        around = openvino.convert_model(
            export(
                _Around(model, height, width).eval(),
                (*given, features, torch.zeros(2, 3, height, width)),
                dynamic_shapes=(batch, batch, None, None, batch, batch),
            )
        )
    encoder, decoder = (network.clone() for network in networks)
    *inputs, features, frame = around.get_parameters()
    frames, grid, *results = around.get_results()
    encoded = _given(encoder)[: len(decoder.get_parameters())]  # without skips where none is taken
    _put(_given(decoder), [frame])
    _put([grid.input_value(0), *encoded[1:]], decoder.get_parameters())
    _put(encoded[:1], [features])
    _put([frames.input_value(0)], encoder.get_parameters())
    for port, name in zip(
        (frames.input_value(0), grid.input_value(0), *encoded), _names(len(encoded)), strict=True
    ):
        port.get_tensor().set_names({name})
    items = model.memory.items.shape[0]
    return as_step(openvino.Model(results, inputs, "step"), shapes(items, window, height, width))


def networks_of(step: Any, name: str) -> list[Any]:
    """Encoder and decoder of what `joined` gave.

    Args:
        step: an `openvino.Model`.
        name: of its file, for messages.

    Raises:
        CheckpointError: the step is not of two networks.
    """
    return [_cut(step, name, decoder=False), _cut(step, name, decoder=True)]


def _cut(step: Any, name: str, *, decoder: bool) -> Any:
    graph = step.clone()
    ports = {each: port for node in graph.get_ordered_ops() for port in node.outputs() for each in port.names}
    count = sum(each.startswith(_ENCODED) for each in ports)
    try:
        frames, grid, *encoded = (ports[each] for each in _names(count))
    except KeyError as error:
        raise CheckpointError(
            f"{name}: found no {error.args[0]} in it, expected a step of two networks; export it again"
        ) from error
    taken = [grid, *encoded[1:]] if decoder else [frames]
    inputs = [openvino.opset1.parameter(port.partial_shape, port.element_type) for port in taken]
    _put([each.output(0) for each in inputs], taken)
    return openvino.Model([ports["frame"]] if decoder else encoded, inputs, "network")


def _given(graph: Any) -> list[Any]:
    """The ports that a graph's results are of."""
    return [result.input_value(0) for result in graph.get_results()]


def _put(ports: Sequence[Any], places: Sequence[Any]) -> None:
    """Let what reads the places, parameters or ports, read the ports."""
    for port, place in zip(ports, places, strict=True):
        for reader in (place.output(0) if isinstance(place, openvino.Node) else place).get_target_inputs():
            reader.replace_source_output(port)


def _names(encoded: int) -> list[str]:
    return [_INPUTS, _GRID, *(f"{_ENCODED}{number}" for number in range(encoded))]
