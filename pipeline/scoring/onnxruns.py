"""Networks run by ONNX Runtime, in fp32."""

from collections.abc import Sequence

import numpy as np
import onnxruntime
import torch
from torch import Tensor

from mnad import MNAD
from pipeline.runtimes.networks import Run, programs, run_by
from pipeline.runtimes.with_onnx import as_onnx


def compiled(model: MNAD, size: tuple[int, int]) -> MNAD:
    """The model, whose encoder and decoder ONNX Runtime runs from now on.

    Args:
        model: in eval mode, on the CPU; it is changed.
        size: height and width of frames.
    """
    return run_by(model, *(_run_of(program) for program in programs(model, size)))


def _run_of(program: torch.export.ExportedProgram) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(as_onnx(program), options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        arrays = [np.ascontiguousarray(values.float().numpy()) for values in inputs]
        found = session.run(None, dict(zip(names, arrays, strict=True)))
        return [torch.from_numpy(values) for values in found]

    return run
