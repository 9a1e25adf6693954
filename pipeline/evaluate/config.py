"""Options of `evaluate`."""

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

from pipeline.config import Device, check_digest
from pipeline.errors import ConfigError
from pipeline.runs import FOLDER
from shards import locations

MemoryMode = Literal["carry", "video", "frozen"]
DistanceChoice = Literal["items", "places"]
Precision = Literal["fp32", "bf16"]
SplitChoice = Literal["auto", "training", "testing"]

ALPHA = {"pred": 0.6, "recon": 0.7}
"""Published weight of the PSNR in the score, by method."""
THRESHOLD = {"pred": 0.01, "recon": 0.015}
"""Published point score below which a frame updates the memory, by method."""
MOST_SMOOTHING = 10_000
"""Sigma in frames; the time that smoothing takes grows with it."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to evaluate, and how.

    Attributes:
        shards: location of the shard set.
        checkpoint: a run, or a checkpoint file.
        manifest_digest: SHA-256 that the set's manifest.json must have, or None for any.
        out: folder for the results; None for `evaluation-<shard set>` in the run or beside the file.
        split: `auto` takes testing videos if there are any, else training videos.
        memory: `carry` updates the memory from video to video (the published protocol, one process),
            `video` starts each video with the trained memory, `frozen` never updates it.
        alpha: weight of the PSNR against the feature distance; None for the method's.
        threshold: frames whose point score is below it update the memory; None for the method's.
        distance: `items` is the published feature distance, to the nearest item; `places` is from what the
            set's training videos have at the same place.
        smoothing: sigma in frames of a Gaussian over each video's score, reported beside the plain
            figures; 0 for none.
        report: whether to gather pictures, draw plots and write report.html.
        maps: whether to write error maps; with pixel masks in the set, localisation is measured on them.
        batch_size: windows scored together, at most; no influence on the result.
        precision: of the convolutions; `fp32` gives the published scores, on GPUs too.
        device: `cpu`, `cuda`, or `auto` for CUDA where there is one.
        threads: that read and decode shards.
    """

    shards: str
    checkpoint: str
    manifest_digest: str | None = None
    out: str | None = None
    split: SplitChoice = "auto"
    memory: MemoryMode = "carry"
    alpha: float | None = None
    threshold: float | None = None
    distance: DistanceChoice = "items"
    smoothing: float = 0.0
    report: bool = True
    maps: bool = False
    batch_size: int = 32
    precision: Precision = "fp32"
    device: Device = "auto"
    threads: int = 2

    def __post_init__(self) -> None:
        for name, choices in (
            ("split", SplitChoice),
            ("memory", MemoryMode),
            ("distance", DistanceChoice),
            ("precision", Precision),
            ("device", Device),
        ):
            value = getattr(self, name)
            if value not in get_args(choices):
                raise ConfigError(f"{name} {value!r} is not one of {', '.join(get_args(choices))}")
        if self.alpha is not None and not 0 <= self.alpha <= 1:
            raise ConfigError(f"alpha {self.alpha} is not between 0 and 1")
        if self.threshold is not None and not 0 <= self.threshold < float("inf"):
            raise ConfigError(
                f"threshold {self.threshold} is not a number, 0 or more; frozen memory needs --memory frozen"
            )
        if not 0 <= self.smoothing <= MOST_SMOOTHING:
            raise ConfigError(f"smoothing {self.smoothing} is not a number of frames, 0 to {MOST_SMOOTHING}")
        if self.batch_size < 1:
            raise ConfigError(f"batch size {self.batch_size} is less than 1")
        if self.threads < 1:
            raise ConfigError(f"threads {self.threads} is less than 1")
        check_digest(self.manifest_digest)

    def output(self, *, told_apart: bool = False) -> str:
        """Where the results go; in a bucket, with the credentials and query of the checkpoint's location.

        Args:
            told_apart: whether the name of the set, which others may share, is not enough: then a digest of
                its whole location follows it.
        """
        if self.out is not None:
            return self.out
        home = self.checkpoint
        folder, name = locations.split(home)
        if name.endswith(".safetensors"):
            above, name = locations.split(folder)
            home = above if name == FOLDER else folder
        shards = locations.shown(locations.absolute(self.shards)).rstrip("/")
        parts = ["evaluation", shards.rpartition("/")[2] or "set"]
        if told_apart:
            parts.append(hashlib.sha256(shards.encode("utf-8", "surrogateescape")).hexdigest()[:8])
        return locations.inside(home, "-".join(parts))
