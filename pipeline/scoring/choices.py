"""Names of the ways to score and to promise, for options: no library is loaded for them."""

from dataclasses import dataclass
from typing import Any, Literal

from pipeline.options import Custom
from pipeline.runs.layout import is_profile

MemoryMode = Literal["carry", "video", "frozen"]
"""How scored frames update the memory: from video to video, anew in each video, or never."""

SplitChoice = Literal["auto", "training", "testing"]
"""Whose videos are evaluated; auto takes the testing videos where there are any."""

DistanceChoice = Literal["items", "places"]
"""What the feature distance is measured to: the nearest memory item, or what was seen at the same place."""

OwnMemory = Literal["frozen", "video"]
"""The ways in which a video's scores do not depend on other videos."""

Precision = Literal["fp32", "bf16", "int8"]
"""The precision of the convolutions."""

PRECISION = (
    "Precision of the convolutions; bf16 is faster on GPUs and on some CPUs. int8 is the fastest on CPUs, "
    "with --runtime openvino; it is what export has put into RUN/int8."
)
"""Text of the option --precision."""

RUNTIME = (
    "What computes the network: PyTorch, ONNX Runtime or OpenVINO; auto takes what is clearly fastest here."
)
"""Text of the option --runtime."""

RuntimeChoice = Literal["torch", "onnx", "openvino", "auto"]
"""What computes the network; auto measures which is the fastest."""

PRECISIONS: dict[str, tuple[Precision, ...]] = {
    "torch": ("fp32", "bf16"),
    "onnx": ("fp32",),
    "openvino": ("fp32", "bf16", "int8"),
}
"""The precisions in which each runtime computes; a model can be exported in the same."""

BATCH = 32
"""Windows that are scored at a time, at most, where nothing else is asked for."""

Form = Literal["parquet", "csv"]
"""The format of a table of scores."""

Score = Literal["local", "psnr", "paper"]
"""What evidence is made of: local errors, the PSNR, or the PSNR and the feature distance as published."""

ALPHA = {"pred": 0.6, "recon": 0.7}
"""Published weight of the PSNR in the score, by method."""

THRESHOLD = {"pred": 0.01, "recon": 0.015}
"""Published point score below which a frame updates the memory, by method."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How an evaluation is to score. The defaults are those of `evaluate`.

    Attributes:
        split, memory, distance, runtime, precision: the options of these names.
        alpha, threshold: likewise; None takes what belongs to the method.
    """

    split: SplitChoice = "auto"
    memory: MemoryMode = "carry"
    alpha: float | None = None
    threshold: float | None = None
    distance: DistanceChoice = "items"
    runtime: RuntimeChoice = "torch"
    precision: Precision = "fp32"


MEAN = "mean"
"""The word that stands in place of a confidence: the rate is kept on average only."""


USUAL_ALARMS, USUAL_CONFIDENCE = 1.0, 0.9
"""Alarms per hour, and the confidence in that, for which a calibration is made where nothing is asked for."""


def _confidence(given: Any) -> float | str:
    value = MEAN if given == MEAN else float(given)
    if isinstance(given, bool) or (value != MEAN and not 0.5 <= float(value) <= 0.999):
        raise ValueError(given)
    return value


CONFIDENCE = Custom(
    notation="NUMBER | mean",
    parse=_confidence,
    expected="0.5 to 0.999, or mean",
    show=str,
)
"""How --confidence is written."""


def _profile(given: Any) -> str:
    if not is_profile(given):
        raise ValueError(given)
    return str(given)


PROFILE = Custom(
    notation="NAME | chroma",
    parse=_profile,
    expected="a name of small letters, digits, _ and -, or chroma",
    show=str,
)
"""How --profile is written."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a calibration. None takes what it was made for.

    Attributes:
        alarms_per_hour: the most on normal video.
        confidence: that there are no more, or `mean`.
        score: what evidence is made of.
        profile: of the camera; None is of all.
    """

    alarms_per_hour: float | None = None
    confidence: float | str | None = None
    score: Score | None = None
    profile: str | None = None
