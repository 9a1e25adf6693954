"""The step in PyTorch, as it is."""

import torch

from mnad.fusion import fuse
from mnad.model import MNAD
from mnad.step import Inputs, Outputs, Step
from pipeline.runtimes.runtime import Runtime


def torch_runtime(model: MNAD, height: int, width: int, *, bf16: bool = False) -> Runtime:
    """The step of a model in eval mode, on the CPU."""
    fused = fuse(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    step = Step(fused, height, width).eval()

    @torch.no_grad()
    def run(inputs: Inputs) -> Outputs:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            outputs: Outputs = step(*inputs)
        return outputs

    return Runtime(name="torch", precision="bf16" if bf16 else "fp32", step=run)
