"""Options of `export`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pipeline.config import THREADS
from pipeline.errors import ConfigError
from pipeline.options import Argument, Option, check, described
from pipeline.scoring.choices import PRECISIONS, Precision

Format = Literal["onnx", "openvino", "torch"]


@described
@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """What to export, and how."""

    checkpoint: Annotated[
        str, Argument("RUN", "A run, whose latest checkpoint is taken, or a checkpoint file.")
    ]
    out: Annotated[str, Argument("OUT", "The folder for the exported model.")]
    shards: Annotated[
        str | None,
        Option(
            "The shard set that the model was trained on, whose windows the check and int8 are made of.",
            "Input and output",
            metavar="SHARDS",
            default="what the run says",
        ),
    ] = None
    format: Annotated[
        Format,
        Option(
            "What runs the model: ONNX Runtime, OpenVINO, or PyTorch with this project.",
            "Input and output",
        ),
    ] = "onnx"
    precision: Annotated[
        Precision,
        Option(
            "In what the convolutions compute: onnx has fp32, torch fp32 and bf16, openvino all. int8 is "
            "refused where it does not raise the events that fp32 raises.",
            "Speed",
        ),
    ] = "fp32"
    threads: Annotated[int, THREADS] = 2

    def __post_init__(self) -> None:
        check(self)
        if self.precision not in PRECISIONS[self.format]:
            raise ConfigError(
                f"--precision {self.precision}: found --format {self.format}, expected openvino, or "
                f"{' or '.join(PRECISIONS[self.format])}; take --format openvino"
            )
