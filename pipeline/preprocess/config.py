"""Options of the preprocess stage."""

import os
from dataclasses import dataclass
from typing import Annotated, Literal

from pipeline.errors import ConfigError
from pipeline.options import Argument, Option, check, described, wrong
from pipeline.sizes import SIZE, SIZE_STEP, SIZES, fits
from shards.choices import CodecName, Split

DatasetName = Literal["auto", "ped2", "ped1", "avenue", "shanghaitech", "folder"]
DecoderName = Literal["auto", "decord", "pyav"]
EngineName = Literal["pool", "dask"]
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@described
@dataclass(frozen=True, kw_only=True)
class PreprocessConfig:
    """What to read, how to store it, and what to do about trouble."""

    source: Annotated[
        str, Argument("SOURCE", "A dataset, a folder of videos, or a video file; local or remote.")
    ]
    shards: Annotated[str, Argument("SHARDS", "The folder of the shard set; local or remote.")]
    dataset: Annotated[
        DatasetName, Option("The layout that SOURCE must have; auto recognises it.", "What to read")
    ] = "auto"
    labels: Annotated[
        str | None,
        Option(
            "Label file or folder of the testing videos; 'none' goes without labels.",
            "What to read",
            metavar="PATH",
            default="looked for in SOURCE",
        ),
    ] = None
    split: Annotated[
        Split,
        Option("What the videos are, if SOURCE is not divided into training and testing.", "What to read"),
    ] = "training"
    decoder: Annotated[
        DecoderName,
        Option("What decodes video files.", "What to read"),
    ] = "auto"
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
            "The longest window that the shards must serve.", "How to store it", least=1, metavar="FRAMES"
        ),
    ] = 5
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
        Option("Address of the dask scheduler, such as tcp://head:8786.", "How to work", metavar="ADDRESS"),
    ] = None
    on_error: Annotated[
        Literal["fail", "skip"],
        Option(
            "What happens to a video that cannot be read: it ends the run, or it is left out and listed.",
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
