"""Options of `calibrate`."""

from dataclasses import dataclass
from typing import Annotated

from pipeline.config import DEVICE, THREADS, Device
from pipeline.options import Argument, Option, check, described
from pipeline.scoring.choices import (
    BATCH,
    CONFIDENCE,
    MEAN,
    PRECISION,
    PROFILE,
    RUNTIME,
    USUAL_ALARMS,
    USUAL_CONFIDENCE,
    OwnMemory,
    Precision,
    RuntimeChoice,
    Score,
)
from pipeline.scoring.options import MASK_OPTION


@described
@dataclass(frozen=True, kw_only=True)
class CalibrateConfig:
    """What to calibrate, and on what."""

    run: Annotated[
        str,
        Argument("RUN-or-CHECKPOINT", "A run, whose latest checkpoint is taken, or a checkpoint file."),
    ]
    videos: Annotated[
        tuple[str, ...],
        Argument(
            "[VIDEO]...",
            "Video files of normal video, or folders of them; what train kept aside if there are none.",
            is_many=True,
            is_optional=True,
        ),
    ] = ()
    add: Annotated[
        bool,
        Option("Adds the hours to those of the calibration that is there.", "Input and output"),
    ] = False
    shards: Annotated[
        str | None,
        Option(
            "The shard set that the run was trained on.",
            "Input and output",
            metavar="SHARDS",
            default="as config.toml of the run has it",
        ),
    ] = None
    rate: Annotated[
        float | None,
        Option(
            "Gives folders of images, and files that do not say theirs, such as .h264, a rate.",
            "Input and output",
            above=0,
            metavar="FRAMES/S",
        ),
    ] = None
    mask: Annotated[str | None, MASK_OPTION] = None
    profile: Annotated[
        str | None,
        Option(
            "Calibrates what the camera looks like at some times for itself: NAME is what all of the video "
            "shows; with chroma, each frame is of colour or infrared, by its colours.",
            "Input and output",
            custom=PROFILE,
        ),
    ] = None
    on_training_video: Annotated[
        bool,
        Option(
            "Takes video that the model was trained on, on which it errs least: every output then says that "
            "its rates are optimistic.",
            "Input and output",
        ),
    ] = False
    alarms_per_hour: Annotated[
        float | None,
        Option(
            "How many alarms normal video may raise.",
            "Promise",
            least=1e-4,
            most=1e4,
            default=f"as before with --add or of the same video, else {USUAL_ALARMS:g}",
        ),
    ] = None
    confidence: Annotated[
        float | str | None,
        Option(
            "Probability that there are no more; mean keeps the rate on average only.",
            "Promise",
            custom=CONFIDENCE,
            default=f"as before with --add or of the same video, else {USUAL_CONFIDENCE:g}",
        ),
    ] = None
    score: Annotated[
        Score,
        Option(
            "What is held against normal video. local: the worst box of several sizes; psnr: the whole "
            "frame; paper: PSNR and feature distance, weighted as published.",
            "Method",
        ),
    ] = "local"
    memory: Annotated[
        OwnMemory,
        Option(
            "How scored frames update the memory. frozen: never; video: every video starts with the trained "
            "memory.",
            "Method",
        ),
    ] = "frozen"
    runtime: Annotated[RuntimeChoice, Option(f"{RUNTIME} The calibration belongs to it.", "Speed")] = "torch"
    precision: Annotated[Precision, Option(f"{PRECISION} The calibration belongs to it.", "Speed")] = "fp32"
    batch_size: Annotated[
        int,
        Option("The most windows scored at a time; the calibration does not depend on it.", "Speed", least=1),
    ] = BATCH
    device: Annotated[Device, DEVICE] = "auto"
    threads: Annotated[int, THREADS] = 2

    def __post_init__(self) -> None:
        check(self)

    def promised(self, alarms_per_hour: float, confidence: float | None) -> tuple[float, float | None]:
        """Rate and confidence that are asked for, None of the mean; what is not asked for stays as given."""
        if self.confidence is not None:
            confidence = None if self.confidence == MEAN else float(self.confidence)
        return (alarms_per_hour if self.alarms_per_hour is None else self.alarms_per_hour), confidence


@described
@dataclass(frozen=True, kw_only=True)
class FeedbackConfig:
    """What a person has said, and of what."""

    run: Annotated[
        str,
        Argument("RUN-or-CHECKPOINT", "What the cameras are watched with."),
    ]
    watched: Annotated[
        str, Argument("DIR", "The folder of watch, or that of one camera in it, whose events have labels.")
    ]

    def __post_init__(self) -> None:
        check(self)
