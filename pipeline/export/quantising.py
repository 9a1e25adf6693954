"""A model's networks in int8: NNCF finds the ranges of their values on windows of normal video."""

import contextlib
import copy
import io
import logging
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mnad import MNAD
from mnad.fusion import fuse
from pipeline.errors import missing_package
from pipeline.runtimes.networks import run_by
from pipeline.scoring.openvinoruns import graphs, run_of

try:
    import nncf  # after OpenVINO, with which comes that nothing reports its use
except ImportError as error:
    raise missing_package("--precision int8", "nncf", "int8") from error


def quantised(model: MNAD, size: tuple[int, int], windows: Tensor) -> list[Any]:
    """Encoder and decoder in int8, but for the first convolution and the last: `openvino.Model`s.

    With these two in int8 as well, 99 % of the PSNRs of a trained model moved by up to 0.51 dB in place of
    0.20, and it ran no faster.

    Args:
        model: in eval mode, on the CPU.
        size: height and width of frames.
        windows: (K, T, 3, H, W) float32 in [-1, 1], normal.
    """
    fused = fuse(model)
    encoder, decoder = graphs(fused, size)
    asked: list[np.ndarray] = []

    def note(given: Any) -> list[Tensor]:
        asked[:] = [values.contiguous().numpy() for values in given]
        return [torch.empty(len(given[0]), 3, *size)]

    probe = run_by(copy.deepcopy(fused), run_of(encoder, "fp32"), note)

    def encoders(window: Tensor) -> list[np.ndarray]:
        return [probe.split(window[None])[0].numpy()]

    @torch.no_grad()
    def decoders(window: Tensor) -> list[np.ndarray]:
        probe(probe.split(window[None])[0])
        return asked

    nncf.set_log_level(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
        return [
            nncf.quantize(
                graph,
                nncf.Dataset(list(windows), inputs),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(windows),
                ignored_scope=nncf.IgnoredScope(names=[_convolutions(graph)[index].get_friendly_name()]),
            )
            for graph, inputs, index in ((encoder, encoders, 0), (decoder, decoders, -1))
        ]


def _convolutions(graph: Any) -> list[Any]:
    return [node for node in graph.get_ordered_ops() if node.get_type_name().startswith("Convolution")]
