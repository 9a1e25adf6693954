"""Options of `score` and `doctor`."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pipeline.config import DEVICE, Device
from pipeline.options import Argument, Custom, Option, check, described
from pipeline.scoring.choices import (
    BATCH,
    PRECISION,
    PROFILE,
    RUNTIME,
    Asked,
    Form,
    OwnMemory,
    Precision,
    RuntimeChoice,
    Score,
)
from pipeline.scoring.options import (
    ALARMS_OPTION,
    CHECKPOINT_OPTION,
    CONFIDENCE_OPTION,
    MASK_OPTION,
    PRECISION_OPTION,
    RUNTIME_OPTION,
    ZONES_OPTION,
)

OnError = Literal["fail", "skip"]

_MOST_EVERY = 10_000


def _parse_every(given: Any) -> "int | Literal['auto']":
    if given == "auto":
        return "auto"
    count = int(given)
    if isinstance(given, bool) or count != float(given) or not 1 <= count <= _MOST_EVERY:
        raise ValueError(given)
    return count


EVERY = Custom(
    notation="N | auto",
    parse=_parse_every,
    expected=f"auto, or a whole number from 1 to {_MOST_EVERY}",
    show=str,
)
"""How --every is written."""


@described
@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """What to score, and how."""

    videos: Annotated[
        tuple[str, ...],
        Argument(
            "VIDEO...",
            "Video files, folders, patterns such as 'cam/*.mp4', folders of images, or http(s) files.",
            is_many=True,
        ),
    ]
    checkpoint: Annotated[str, CHECKPOINT_OPTION]
    out: Annotated[
        str, Option("Folder for the results, one folder in it for each video.", "Input and output")
    ]
    mask: Annotated[str | None, MASK_OPTION] = None
    zones: Annotated[str | None, ZONES_OPTION] = None
    format: Annotated[Form, Option("Format of the table of scores.", "Input and output")] = "parquet"
    overlay: Annotated[
        bool,
        Option(
            "Writes overlay.mp4: the video with heat over what is abnormal, and its rarity under it.",
            "Input and output",
        ),
    ] = True
    clips: Annotated[
        bool,
        Option("Copies the video around each event into a file of its own.", "Input and output"),
    ] = True
    clip_margin: Annotated[
        float,
        Option(
            "What a clip shows before and after its event.",
            "Input and output",
            least=0,
            most=3600,
            metavar="SECONDS",
        ),
    ] = 5.0
    on_error: Annotated[
        OnError,
        Option(
            "What happens to a video that cannot be read: it ends the run, or it is left out and listed.",
            "Input and output",
        ),
    ] = "fail"
    alarms_per_hour: Annotated[float | None, ALARMS_OPTION] = None
    confidence: Annotated[float | str | None, CONFIDENCE_OPTION] = None
    fail_on_alarm: Annotated[
        bool,
        Option("Ends with exit code 3 if there was an alarm; refused where none can be raised.", "Alarms"),
    ] = False
    score: Annotated[
        Score | None,
        Option(
            "What evidence is made of, as calibrate has it; a calibration of another score is refused.",
            "Method",
            default="what the calibration is of, or local",
        ),
    ] = None
    profile: Annotated[
        str | None,
        Option(
            "Which calibration frames are held against: NAME, or with chroma that of colour or infrared, by "
            "each frame's colours; the strictest stands in for one that is missing.",
            "Method",
            custom=PROFILE,
        ),
    ] = None
    every: Annotated[
        "int | Literal['auto']",
        Option(
            "Scores one frame in N; auto comes nearest to the rate that was trained on, which "
            "must be within 10 %.",
            "Method",
            custom=EVERY,
        ),
    ] = "auto"
    any_rate: Annotated[
        bool,
        Option("Scores video of another rate than was trained on, without a calibration.", "Method"),
    ] = False
    rate: Annotated[
        float | None,
        Option(
            "Frame rate of folders of images and of files that do not say theirs, such as .h264; without it "
            "no alarm is raised, and times count images.",
            "Method",
            above=0,
            metavar="FRAMES/S",
        ),
    ] = None
    memory: Annotated[
        OwnMemory,
        Option(
            "Whether scored frames update the memory: in each video anew, or never.",
            "Method",
        ),
    ] = "frozen"
    batch_size: Annotated[
        int,
        Option("The most windows scored at a time; the scores do not depend on it.", "Speed", least=1),
    ] = BATCH
    runtime: Annotated[RuntimeChoice | None, RUNTIME_OPTION] = None
    precision: Annotated[Precision | None, PRECISION_OPTION] = None
    device: Annotated[Device, DEVICE] = "auto"

    def __post_init__(self) -> None:
        check(self)

    @property
    def asked(self) -> Asked:
        """What is asked of the calibration."""
        return Asked(
            alarms_per_hour=self.alarms_per_hour,
            confidence=self.confidence,
            score=self.score,
            profile=self.profile,
        )


@described
@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """What to look at before a camera is watched."""

    video: Annotated[str, Argument("VIDEO", "A video file of the camera, or an http(s) file.")]
    checkpoint: Annotated[str, CHECKPOINT_OPTION]
    seconds: Annotated[
        float, Option("How long scoring is timed.", "Speed", above=0, most=600, metavar="SECONDS")
    ] = 10.0
    runtime: Annotated[
        RuntimeChoice | None,
        Option(RUNTIME, "Speed", default="what the calibration was made with, or auto"),
    ] = None
    precision: Annotated[
        Precision | None,
        Option(
            PRECISION,
            "Speed",
            default="what the calibration was made with, or int8 where it lies in the run, or fp32",
        ),
    ] = None
    device: Annotated[Device, DEVICE] = "auto"

    def __post_init__(self) -> None:
        check(self)
