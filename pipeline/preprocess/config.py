"""Options of the preprocess stage."""

import os
from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.errors import ConfigError
from pipeline.sizes import SIZE_STEP
from shards.choices import CODECS, SPLITS, CodecName, Split
from shards.limits import MOST_SEGMENT_BYTES, MOST_WINDOW, segment_bytes

DatasetName = Literal["auto", "ped2", "ped1", "avenue", "shanghaitech", "folder"]
DecoderName = Literal["auto", "decord", "pyav"]
EngineName = Literal["pool", "dask"]
DepthRange = tuple[int, int] | Literal["auto"]
DATASETS: tuple[DatasetName, ...] = get_args(DatasetName)
DECODERS: tuple[DecoderName, ...] = get_args(DecoderName)
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class PreprocessConfig:
    """What to read, how to store it, and what to do about trouble.

    Attributes:
        source: folder or video file, local or remote.
        shards: folder of the shard set, local or remote.
        dataset: the layout that the source must have; `auto` recognises it.
        labels: label file or folder; None looks for one in the source, `none` goes without.
        split: of a source that is not divided into training and testing.
        size: height and width of stored frames, pixels.
        codec: how pixels are stored; `raw` and `deflate` are lossless.
        quality: of the jpeg codec, 1 to 100.
        window: T, the longest window the shards must serve, frames.
        decoder: of video files; `auto` is PyAV for every file, `decord` reads regular files only and is
            checked against it.
        depth_range: values of images of 16 bits that are stored as 0 and 255; `auto` takes each video's
            lowest and highest, None keeps the highest 8 bits. Video files of more than 8 bits, which
            FFmpeg converts, are refused with it.
        on_error: what a video that cannot be read does to the run.
        on_damage: what a video with damaged or missing frames is: an error, or kept with its damage counted.
        engine: `pool` works with processes of this machine, `dask` on a cluster.
        scheduler: address of the dask scheduler.
        workers: processes that decode; of the pool.
        stall_seconds: without any progress, after which a video is given up.
    """

    source: str
    shards: str
    dataset: DatasetName = "auto"
    labels: str | None = None
    split: Split = "training"
    size: tuple[int, int] = (256, 256)
    codec: CodecName = "raw"
    quality: int = 95
    window: int = 5
    decoder: DecoderName = "auto"
    depth_range: DepthRange | None = None
    on_error: Literal["fail", "skip"] = "fail"
    on_damage: Literal["fail", "keep"] = "fail"
    engine: EngineName = "pool"
    scheduler: str | None = None
    workers: int = CORES
    stall_seconds: float = 120.0

    def __post_init__(self) -> None:
        for name, allowed in (
            ("dataset", DATASETS),
            ("decoder", DECODERS),
            ("engine", ENGINES),
            ("codec", CODECS),
            ("split", SPLITS),
            ("on_error", ("fail", "skip")),
            ("on_damage", ("fail", "keep")),
        ):
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name} {getattr(self, name)!r}: expected one of {', '.join(allowed)}")
        if any(edge < SIZE_STEP or edge % SIZE_STEP for edge in self.size):
            raise ConfigError(
                f"size {self.size[0]}x{self.size[1]}: height and width must be multiples of {SIZE_STEP}, "
                "because the networks halve them three times"
            )
        if (self.engine == "dask") != (self.scheduler is not None):
            raise ConfigError("--engine dask and --scheduler ADDRESS belong together")
        if (
            isinstance(self.depth_range, tuple)
            and not 0 <= self.depth_range[0] < self.depth_range[1] <= 65535
        ):
            low, high = self.depth_range
            raise ConfigError(f"depth range {low}:{high}: expected 0 <= LOW < HIGH <= 65535")
        if not 1 <= self.quality <= 100:
            raise ConfigError(f"quality {self.quality}: expected 1 to 100")
        for name in ("window", "workers", "stall_seconds"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} {getattr(self, name)}: expected more than 0")
        if self.window > MOST_WINDOW:
            raise ConfigError(f"window {self.window}: expected at most {MOST_WINDOW}")
        if (needed := segment_bytes(*self.size, self.window)) > MOST_SEGMENT_BYTES:
            raise ConfigError(
                f"size {self.size[0]}x{self.size[1]}: a segment for windows of {self.window} would have "
                f"{needed} bytes of pixels, expected at most {MOST_SEGMENT_BYTES}; store smaller frames"
            )
