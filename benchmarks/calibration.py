"""What the feature distance from what is normal at each place does to the AUC, over several runs.

    python benchmarks/calibration.py SHARDS RUN [RUN ...]

Prints in percent the AUC of the published feature distance and of that of `evaluate --distance places`, alone
and with the PSNR of the evaluation of the run (alpha 0.6, min-max per video), and their mean and standard
deviation. Both without updates of the memory at test time; only the encoder is run.
"""

import argparse
import statistics
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from mnad import MNAD
from mnad.places import NormalPlaces
from mnad.scoring import feature_distance
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


@torch.no_grad()
def queries(model: MNAD, shards: str, split: Split, window: int) -> Tensor:
    """Of all windows of a split, (B, N, D)."""
    storage = Storage(shards)
    batches = evaluation_batches(
        storage, load_manifest(storage), split, window=window, batch=BATCH, device=torch.device("cpu")
    )
    return torch.cat([model.encode(model.split(batch.windows)[0]).queries for batch in batches])


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
        training = queries(model, options.shards, "training", window)
        normal = NormalPlaces.fit(lambda some=training: some.split(BATCH))
        seen = queries(model, options.shards, "testing", window)
        items = model.memory.items.expand(len(seen), -1, -1)
        videos = list(load_evaluation(f"{run}/evaluation").videos)
        distances = [distance(seen, items).numpy() for distance in (feature_distance, normal.distance)]
        row = tuple(auc for some in distances for auc in areas(videos, some))
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
