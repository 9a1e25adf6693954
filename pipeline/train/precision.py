"""Which number format the convolutions compute in. Weights, memory and losses are float32 throughout."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal

import torch

from pipeline.train.config import Precision

Resolved = Literal["fp32", "bf16", "fp16"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve(precision: Precision, device: torch.device) -> Resolved:
    """`auto` made definite: bf16 where the device computes it natively, else fp32."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Without the instructions, bf16 convolutions on a CPU are slower than float32 ones.
        native = any(_cpu_has(feature) for feature in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return "bf16" if native else "fp32"


def _cpu_has(feature: str) -> bool:
    probe: Callable[[], bool] = getattr(torch.cpu, feature, lambda: False)
    return probe()


def autocast(precision: Resolved, device: torch.device) -> AbstractContextManager[None]:
    """The context in which the network runs."""
    enabled = precision != "fp32"
    return torch.autocast(device.type, _DTYPES.get(precision), enabled=enabled)


def scaler(precision: Resolved, device: torch.device) -> torch.amp.GradScaler:
    """Keeps fp16 gradients from vanishing; passes everything through in other precisions."""
    return torch.amp.GradScaler(device.type, enabled=precision == "fp16")
