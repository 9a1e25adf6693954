"""What an evaluation scores with, once its model and its set are known."""

from dataclasses import dataclass

from pipeline.runs.spec import Method
from pipeline.scoring.choices import (
    ALPHA,
    THRESHOLD,
    DistanceChoice,
    MemoryMode,
    Precision,
    RuntimeChoice,
    SplitChoice,
    Wanted,
)
from shards.choices import Split
from shards.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What is in the provenance of the scores under the same names, but for a runtime that is measured."""

    split: Split
    memory: MemoryMode
    alpha: float
    threshold: float
    distance: DistanceChoice
    runtime: RuntimeChoice
    precision: Precision


def settled(wanted: Wanted, manifest: Manifest, method: Method) -> Settled:
    """What is scored with.

    Args:
        wanted: what was asked for.
        manifest: of the set.
        method: of the model.
    """
    return Settled(
        split=split_of(wanted.split, manifest),
        memory=wanted.memory,
        alpha=ALPHA[method] if wanted.alpha is None else wanted.alpha,
        threshold=THRESHOLD[method] if wanted.threshold is None else wanted.threshold,
        distance=wanted.distance,
        runtime=wanted.runtime,
        precision=wanted.precision,
    )


def split_of(wanted: SplitChoice, manifest: Manifest) -> Split:
    """The split that is scored: as asked for, or for auto testing videos if there are any, else training."""
    if wanted != "auto":
        return wanted
    return "testing" if manifest.split("testing") else "training"
