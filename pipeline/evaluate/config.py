"""Options of `evaluate`."""

import hashlib
from dataclasses import dataclass, fields
from typing import Annotated
from urllib.parse import unquote

from pipeline.config import DEVICE, THREADS, Device, manifest_digest_option
from pipeline.options import Argument, Option, check, described
from pipeline.runs.layout import FOLDER
from pipeline.runs.limits import MOST_SMOOTHING
from pipeline.scoring.choices import (
    BATCH,
    PRECISION,
    RUNTIME,
    DistanceChoice,
    MemoryMode,
    Precision,
    RuntimeChoice,
    SplitChoice,
    Wanted,
)
from shards import locations

_USUAL = Wanted()


@described
@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """What to evaluate, and how."""

    shards: Annotated[str, Argument("SHARDS", "The shard set whose videos are scored.")]
    checkpoint: Annotated[
        str, Argument("RUN-or-CHECKPOINT", "A run, whose latest checkpoint is taken, or a checkpoint file.")
    ]
    out: Annotated[
        str | None,
        Option(
            "Folder for the results.",
            "Input and output",
            metavar="FOLDER",
            default="evaluation-SHARDS in the run or beside the file; with a digest of the location if "
            "another set has that name",
        ),
    ] = None
    manifest_digest: Annotated[str | None, manifest_digest_option("Input and output")] = None
    split: Annotated[
        SplitChoice,
        Option(
            "Which videos are scored; auto takes the testing videos if there are any, and otherwise the "
            "training videos.",
            "Input and output",
        ),
    ] = _USUAL.split
    report: Annotated[
        bool,
        Option(
            "Gathers pictures, draws plots for papers, and writes report.html, a page for any browser.",
            "Input and output",
        ),
    ] = True
    maps: Annotated[
        bool,
        Option(
            "Writes error maps; where the set has pixel masks, localisation is measured on them.",
            "Input and output",
        ),
    ] = False
    memory: Annotated[
        MemoryMode,
        Option(
            "How test frames update the memory. carry: from video to video, as published, in one process; "
            "video: every video starts with the trained memory; frozen: never.",
            "Method",
        ),
    ] = _USUAL.memory
    alpha: Annotated[
        float | None,
        Option(
            "Weight of the PSNR against the feature distance.",
            "Method",
            least=0,
            most=1,
            default="pred 0.6, recon 0.7",
        ),
    ] = _USUAL.alpha
    threshold: Annotated[
        float | None,
        Option(
            "Frames whose point score is below it update the memory.",
            "Method",
            least=0,
            default="pred 0.01, recon 0.015",
        ),
    ] = _USUAL.threshold
    distance: Annotated[
        DistanceChoice,
        Option(
            "What the feature distance is measured to. items: the nearest memory item, as published; "
            "places: what the set's training videos have at the same place of the frame.",
            "Method",
        ),
    ] = _USUAL.distance
    smoothing: Annotated[
        float,
        Option(
            "Sigma of a Gaussian over each video's scores; smoothed figures are reported beside the plain "
            "ones, and 0 reports none.",
            "Method",
            least=0,
            most=MOST_SMOOTHING,
            metavar="FRAMES",
        ),
    ] = 0.0
    batch_size: Annotated[
        int,
        Option("The most windows scored at a time; the scores do not depend on it.", "Speed", least=1),
    ] = BATCH
    runtime: Annotated[
        RuntimeChoice,
        Option(f"{RUNTIME} PyTorch gives the published scores.", "Speed"),
    ] = _USUAL.runtime
    precision: Annotated[
        Precision,
        Option(f"{PRECISION} fp32 gives the published scores.", "Speed"),
    ] = _USUAL.precision
    device: Annotated[Device, DEVICE] = "auto"
    threads: Annotated[int, THREADS] = 2

    def __post_init__(self) -> None:
        check(self)

    @property
    def wanted(self) -> Wanted:
        """How it is to score."""
        return Wanted(**{field.name: getattr(self, field.name) for field in fields(Wanted)})

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
        last = shards.rpartition("/")[2]
        if locations.is_uri(home) and locations.is_uri(shards):  # `inside` encodes it again
            last = unquote(last)
        parts = ["evaluation", last or "set"]
        if told_apart:
            parts.append(hashlib.sha256(shards.encode("utf-8", "surrogateescape")).hexdigest()[:8])
        return locations.inside(home, "-".join(parts))
