"""What every runtime is: a function from a step's inputs to its outputs, both tensors on the CPU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from mnad.step import Inputs, Outputs
from pipeline.runs.calibration import Runtime as RuntimeName

StepPrecision = Literal["fp32", "bf16", "int8"]
"""The precision of the convolutions; in int8 the first and the last of them are in bf16."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One step of scoring, ready to run on a CPU.

    Attributes:
        name: of the library.
        precision: of the convolutions.
        step: gives the outputs; what it returns is the caller's.
    """

    name: RuntimeName
    precision: StepPrecision
    step: Callable[[Inputs], Outputs]
