"""Which number format the convolutions compute in. Weights, memory and losses are float32 throughout."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal

import torch
import torch.nn.functional as F

from pipeline.processes.measuring import CLEARLY_FASTER, least_seconds
from pipeline.train.config import Precision

Resolved = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

ROUNDS = 6


def resolve(precision: Precision, device: torch.device) -> Resolved:
    """`auto` made definite: bf16 where the device computes it faster than fp32, else fp32."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        faster = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Without bf16 instructions it is emulated, which would take long to find out.
        has_bf16: Callable[[], bool] = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
        faster = has_bf16() and convolution_speedup() > CLEARLY_FASTER
    return "bf16" if faster else "fp32"


def convolution_speedup() -> float:
    """How many times as fast as in fp32 a core of this CPU convolves in bf16, forward and backward.

    The instructions alone do not tell: AVX-512's for bf16 made 422 GFLOP/s on one CPU (AMD Zen 4) and 86 on
    another, where fp32's made 211 and 156. Takes 0.2 s. In one thread, and the fastest of some rounds, since
    where other processes compete for the cores two threads found 1.2 and 4 in turn, and one 1.8 to 1.9.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fp32, bf16 = least_seconds([_convolution(torch.float32), _convolution(torch.bfloat16)], ROUNDS)
    finally:
        torch.set_num_threads(threads)
    return fp32 / bf16


def _convolution(dtype: torch.dtype) -> Callable[[], object]:
    """One of the network's kind, forward and backward; no random number is drawn."""
    features = torch.ones(4, 64, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
    weights = torch.ones(64, 64, 3, 3, dtype=dtype).to(memory_format=torch.channels_last)
    inputs = features.requires_grad_(), weights.requires_grad_()
    return lambda: torch.autograd.grad(F.conv2d(*inputs, padding=1), inputs, features.detach())


def autocast(precision: Resolved, device: torch.device) -> AbstractContextManager[None]:
    """The context in which the network runs."""
    enabled = precision != "fp32"
    return torch.autocast(device.type, _DTYPES.get(precision), enabled=enabled)


def scaler(precision: Resolved, device: torch.device) -> torch.amp.GradScaler:
    """Keeps fp16 gradients from vanishing; passes everything through in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
