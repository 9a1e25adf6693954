"""What the feature distance says when it is measured against what is normal at each place.

    python benchmarks/calibration.py SHARDS RUN [RUN ...]

The published feature distance is the mean over places of a query's squared distance to its nearest item. Here
it is measured, too, against the queries of all training windows at the same place: with their mean m and
variance v per place and feature, d is the mean over features of (query - m)² / v, and what counts is the mean
over places of d in standard deviations from its mean over the training windows. No label is used for that.

Prints in percent the AUC of both distances, alone and with the PSNR of the evaluation of the run (alpha 0.6,
min-max per video), mean and standard deviation over the runs. The published distance is that to the memory
as it was trained, without updates at test time.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from mnad import MNAD
from mnad.memory import nearest_two
from pipeline.checkpoint import load_checkpoint
from pipeline.evaluate.metrics import compute_metrics
from pipeline.evaluate.report import load_evaluation
from pipeline.evaluate.scores import VideoScores
from shards.choices import Split
from shards.manifest import load_manifest
from shards.storage import Storage
from shards.stream import evaluation_batches

BATCH = 32
ALPHA = 0.6
FLOOR = 1e-3
"""Of the mean variance; added to each feature's, some of which hardly vary."""


@torch.no_grad()
def queries(model: MNAD, shards: str, split: Split, window: int) -> Tensor:
    """Of all windows of a split, (B, N, D)."""
    storage = Storage(shards)
    batches = evaluation_batches(
        storage, load_manifest(storage), split, window=window, batch=BATCH, device=torch.device("cpu")
    )
    return torch.cat([model.encode(model.split(batch.windows)[0]).queries for batch in batches])


@dataclass(frozen=True)
class Normal:
    """What training windows have at each place: mean and variance of queries (N, D), of distances d (N,)."""

    mean: Tensor
    variance: Tensor
    usual: Tensor
    spread: Tensor

    @classmethod
    def of(cls, seen: Tensor) -> "Normal":
        """From queries (B, N, D)."""
        mean, variance = seen.mean(dim=0), seen.var(dim=0)
        variance += FLOOR * variance.mean()
        distances = ((seen - mean).square() / variance).mean(dim=-1)
        return cls(mean, variance, distances.mean(dim=0), distances.std(dim=0))

    def distance(self, seen: Tensor) -> np.ndarray:
        """Of each of the windows whose queries (B, N, D) these are, (B,) float64."""
        distances = ((seen - self.mean).square() / self.variance).mean(dim=-1)
        return ((distances - self.usual) / self.spread).mean(dim=-1).double().numpy()


def item_distance(seen: Tensor, items: Tensor) -> np.ndarray:
    """The published one, (B,) float64, of queries (B, N, D)."""
    return (seen - nearest_two(seen, items)[0]).square().mean(dim=(-2, -1)).double().numpy()


def areas(videos: list[VideoScores], distances: np.ndarray) -> tuple[float, float]:
    """AUC in percent of distances of all frames, video after video, alone and with the PSNR."""
    ends = np.cumsum([len(video.scores.psnr) for video in videos])
    with_these = [
        replace(video, scores=replace(video.scores, feature_distance=some))
        for video, some in zip(videos, np.split(distances, ends[:-1]), strict=True)
    ]
    found = [compute_metrics(with_these, alpha).auc for alpha in (0, ALPHA)]
    return tuple(100 * auc for auc in found if auc is not None)  # type: ignore[return-value]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shards", metavar="SHARDS")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    options = parser.parse_args()
    rows = []
    for run in options.runs:
        checkpoint = load_checkpoint(run)
        model, window = checkpoint.model(), checkpoint.spec.window
        normal = Normal.of(queries(model, options.shards, "training", window))
        seen = queries(model, options.shards, "testing", window)
        videos = list(load_evaluation(f"{run}/evaluation").videos)
        row = (*areas(videos, item_distance(seen, model.memory.items)), *areas(videos, normal.distance(seen)))
        rows.append(row)
        print(f"{run}: " + show(row), flush=True)
    if len(rows) > 1:
        columns = list(zip(*rows, strict=True))
        print("mean: " + show([statistics.mean(column) for column in columns]))
        print("standard deviation: " + show([statistics.stdev(column) for column in columns]))


def show(row: tuple[float, ...] | list[float]) -> str:
    """Four figures with their names."""
    return "to items {:.2f}, with PSNR {:.2f}; to what is normal {:.2f}, with PSNR {:.2f}".format(*row)


if __name__ == "__main__":
    main()
