"""What probes of trained runs share: their options, the videos they look at, the AUC they print.

Importing it lets a script find the project's packages.
"""

import argparse
from collections.abc import Iterator

import torch

from pipeline.scoring.metrics import compute_metrics
from pipeline.scoring.videoscores import VideoScores
from shards.choices import Split
from shards.manifest import load_manifest
from shards.storage import Storage
from shards.stream import evaluation_batches
from shards.windows import VideoBatch

BATCH = 32


def options(description: str | None, *, of_a_set: bool = True) -> argparse.Namespace:
    """RUNs from the command line, one or more, as `runs`; and before them SHARDS, as `shards`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    if of_a_set:
        parser.add_argument("shards", metavar="SHARDS")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    return parser.parse_args()


def batches(shards: str, split: Split, window: int) -> Iterator[VideoBatch]:
    """Each window of a split once, in order, on the CPU."""
    storage = Storage(shards)
    return evaluation_batches(
        storage, load_manifest(storage), split, window=window, batch=BATCH, device=torch.device("cpu")
    )


def area(videos: list[VideoScores], alpha: float) -> float:
    """AUC in percent of the score that weighs the PSNR with `alpha`."""
    auc = compute_metrics(videos, alpha).auc
    if auc is None:
        raise SystemExit("the test videos have no labels of both kinds; a study needs them")
    return 100 * auc
