"""What the feature distance from what is normal at each place does to the AUC, over several runs.

    python studies/calibration.py SHARDS RUN [RUN ...]

Prints in percent the AUC of the published feature distance and of that of `evaluate --distance places`, alone
and with the PSNR of the evaluation of the run (alpha 0.6, min-max per video), and their mean and standard
deviation. Both without updates of the memory at test time; only the encoder is run.
"""

import statistics
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

import probing
from mnad import MNAD
from mnad.places import NormalPlaces
from mnad.scoring import feature_distance
from pipeline.report.evaluation import load_evaluation
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.scoring.choices import ALPHA
from pipeline.scoring.videoscores import VideoScores
from shards.choices import Split


@torch.no_grad()
def queries(model: MNAD, shards: str, split: Split, window: int) -> Tensor:
    """Of all windows of a split, (B, N, D)."""
    batches = probing.batches(shards, split, window)
    return torch.cat([model.encode(model.split(batch.windows)[0]).queries for batch in batches])


def areas(videos: list[VideoScores], distances: np.ndarray, alpha: float) -> tuple[float, float]:
    """AUC in percent of distances of all frames, video after video, alone and with the PSNR."""
    ends = np.cumsum([len(video.scores.psnr) for video in videos])
    with_these = [
        replace(video, scores=replace(video.scores, feature_distance=some))
        for video, some in zip(videos, np.split(distances, ends[:-1]), strict=True)
    ]
    return probing.area(with_these, 0), probing.area(with_these, alpha)


def main() -> None:
    given = probing.options(__doc__)
    rows = []
    for run in given.runs:
        checkpoint = load_checkpoint(run)
        model, window = checkpoint.model(), checkpoint.spec.window
        training = queries(model, given.shards, "training", window)
        normal = NormalPlaces.fit(partial(torch.split, training, probing.BATCH))
        seen = queries(model, given.shards, "testing", window)
        items = model.memory.items.expand(len(seen), -1, -1)
        videos = list(load_evaluation(f"{run}/evaluation").videos)
        distances = [distance(seen, items).numpy() for distance in (feature_distance, normal.distance)]
        row = tuple(auc for some in distances for auc in areas(videos, some, ALPHA[model.task]))
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
