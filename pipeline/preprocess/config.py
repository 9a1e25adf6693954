"""Options of the preprocess stage."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pipeline.errors import ConfigError
from pipeline.options import Argument, Custom, Option, check, described, wrong
from pipeline.preprocess.datasets import DATASETS
from pipeline.sizes import SIZE, SIZE_STEP, SIZES, fits
from shards.choices import CodecName, Split
from shards.limits import MOST_SEGMENT_BYTES, MOST_WINDOW, segment_bytes

if TYPE_CHECKING:
    DatasetName = str
else:
    DatasetName = Literal[
        ("auto", *(dataset.name for dataset in DATASETS))
    ]  # which options are checked against
DecoderName = Literal["auto", "decord", "pyav"]
EngineName = Literal["pool", "dask"]
DepthRange = tuple[int, int] | Literal["auto"]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _parse_depth_range(given: Any) -> DepthRange:
    """The range from `7000:7510`, [7000, 7510] or `auto`."""
    if given == "auto":
        return "auto"
    low, high = (int(part) for part in (given if isinstance(given, list | tuple) else given.split(":")))
    if not 0 <= low < high <= 65535:
        raise ValueError(given)
    return low, high


DEPTH_RANGE = Custom(
    notation="LOW:HIGH | auto",
    parse=_parse_depth_range,
    expected="auto, or LOW:HIGH as 7000:7510 with 0 <= LOW < HIGH <= 65535",
    show=lambda value: value if isinstance(value, str) else ":".join(map(str, value)),
)
"""How --depth-range is written."""


@described
@dataclass(frozen=True, kw_only=True)
class PreprocessConfig:
    """What to read, how to store it, and what to do about trouble."""

    source: Annotated[
        str, Argument("SOURCE", "A dataset, a folder of videos, or a video file; local or remote.")
    ]
    shards: Annotated[str, Argument("SHARDS", "The folder of the shard set; local or remote.")]
    dataset: Annotated[
        DatasetName,
        Option(
            "The dataset whose layout SOURCE must have, one of "
            f"{', '.join(dataset.name for dataset in DATASETS)}; auto recognises it.",
            "What to read",
        ),
    ] = "auto"
    labels: Annotated[
        str | None,
        Option(
            "Label file (.npy, .mat, .m, .csv) or folder of the testing videos; 'none' goes without labels.",
            "What to read",
            metavar="PATH",
            default="looked for in SOURCE",
        ),
    ] = None
    split: Annotated[
        Split,
        Option(
            "The split of all videos, if SOURCE is not divided into training and testing.", "What to read"
        ),
    ] = "training"
    decoder: Annotated[
        DecoderName,
        Option(
            "What decodes video files; auto is PyAV for every file, decord reads regular MP4, MOV and "
            "Matroska files only and is checked against PyAV.",
            "What to read",
        ),
    ] = "auto"
    rate: Annotated[
        float | None,
        Option(
            "Frames per second of folders of images and of elementary streams (.h264 and the like), which do "
            "not say it themselves; other video files keep their own.",
            "What to read",
            above=0,
            metavar="FPS",
            default="not known",
        ),
    ] = None
    size: Annotated[
        tuple[int, int],
        Option(
            f"Height and width of stored frames, pixels, multiples of {SIZE_STEP}.",
            "How to store it",
            custom=SIZE,
        ),
    ] = (256, 256)
    codec: Annotated[
        CodecName, Option("How pixels are stored; raw and deflate are lossless.", "How to store it")
    ] = "raw"
    quality: Annotated[int, Option("Quality of the jpeg codec.", "How to store it", least=1, most=100)] = 95
    window: Annotated[
        int,
        Option(
            "The longest window that the shards must serve.",
            "How to store it",
            least=1,
            most=MOST_WINDOW,
            metavar="FRAMES",
        ),
    ] = 5
    depth_range: Annotated[
        DepthRange | None,
        Option(
            "Values of 16-bit images that are stored as 0 and 255; auto takes the lowest and the highest "
            "value of each video. Video files of more than 8 bits, which FFmpeg converts, are refused with "
            "it.",
            "How to store it",
            custom=DEPTH_RANGE,
            default="the highest 8 bits",
        ),
    ] = None
    workers: Annotated[
        int, Option("Processes that decode.", "How to work", least=1, default="the number of cores")
    ] = CORES
    engine: Annotated[
        EngineName,
        Option(
            "Where videos are decoded: pool uses processes of this machine, dask a dask.distributed cluster.",
            "How to work",
        ),
    ] = "pool"
    scheduler: Annotated[
        str | None,
        Option(
            "Address of the dask scheduler, such as tls://head:8786; over plain tcp, whoever reaches it can "
            "run code.",
            "How to work",
            metavar="ADDRESS",
        ),
    ] = None
    compact: Annotated[
        bool,
        Option(
            "Writes the tables, and the shards that small videos share, as one run would have written "
            "them, and removes what only earlier versions of the set had.",
            "How to work",
        ),
    ] = False
    recheck: Annotated[
        bool,
        Option(
            "Looks whether a bucket has every file of the set, one request for 1,000 files, and removes "
            "others; in a local folder that is always done.",
            "How to work",
        ),
    ] = False
    shrink: Annotated[
        bool,
        Option(
            "Lets videos that are missing in SOURCE, or cannot be read, leave the set even if they are more "
            "than half of it (and more than three), or all of a split (and more than one); without it, such "
            "a loss is refused, for a folder that is not mounted looks so. It holds for this run.",
            "How to work",
        ),
    ] = False
    on_error: Annotated[
        Literal["fail", "skip"],
        Option(
            "What happens to a video that cannot be read, or a link that leads nowhere: it ends the run, or "
            "it is left out and listed.",
            "How to work",
        ),
    ] = "fail"
    on_damage: Annotated[
        Literal["fail", "keep"],
        Option(
            "What happens to a video with damaged or missing frames: it is an error, or it is kept and its "
            "damage is counted.",
            "How to work",
        ),
    ] = "fail"
    stall_seconds: Annotated[
        float,
        Option(
            "Seconds without any progress after which a video is given up.",
            "How to work",
            above=0,
            metavar="SECONDS",
        ),
    ] = 120.0

    def __post_init__(self) -> None:
        check(self)
        if not fits(self.size):
            raise wrong(self, "size", SIZES)
        if (self.engine == "dask") != (self.scheduler is not None):
            raise ConfigError("--engine dask and --scheduler ADDRESS belong together")
        if (needed := segment_bytes(*self.size, self.window)) > MOST_SEGMENT_BYTES:
            raise wrong(
                self,
                "size",
                f"smaller frames: a segment for windows of {self.window} would have {needed} bytes of "
                f"pixels, and may have {MOST_SEGMENT_BYTES}",
            )
