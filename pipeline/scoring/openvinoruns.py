"""Networks run by OpenVINO, which has a CPU's own formats: bf16 and int8 beside fp32."""

import threading
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mnad import MNAD
from pipeline.runtimes.networks import Run, programs, run_by
from pipeline.runtimes.silent import HINTS
from pipeline.runtimes.silent import openvino as ov
from pipeline.scoring.choices import Precision


def compiled(model: MNAD, networks: Sequence[ov.Model], precision: Precision) -> MNAD:
    """The model, whose encoder and decoder OpenVINO runs from now on.

    Args:
        model: in eval mode, on the CPU; it is changed.
        networks: encoder and decoder, of `graphs` or in int8.
        precision: of the convolutions.
    """
    return run_by(model, *(run_of(graph, precision) for graph in networks))


def graphs(model: MNAD, size: tuple[int, int]) -> list[ov.Model]:
    """Encoder and decoder of a model for frames of a size, in batches of any size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # converters use what PyTorch calls deprecated
        return [ov.convert_model(program) for program in programs(model, size)]


def run_of(graph: ov.Model, precision: Precision) -> Run:
    """What runs a graph on the CPU."""
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    ready = ov.Core().compile_model(graph, "CPU", options)
    own = threading.local()  # calls of one request from two threads give one the outputs of the other

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        if not hasattr(own, "request"):
            own.request = ready.create_infer_request()
        arrays = [np.ascontiguousarray(values.float().numpy()) for values in inputs]
        # Not copied: the skips of a batch are 30 MB at 256x256.
        found = own.request.infer(arrays, share_inputs=True, share_outputs=True)
        return [torch.from_numpy(values) for values in found.to_tuple()]

    return run
