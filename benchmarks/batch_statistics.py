"""What a trained model scores if BatchNorm normalises with the statistics of each test window.

    python benchmarks/batch_statistics.py SHARDS RUN [RUN ...]

BatchNorm is to use its running statistics at test time. A version of PyTorch that lost them, or a script that
never left training mode, would use the window's own; this tells whether that could explain a figure. Windows
go one by one, the memory is carried on. Prints for both ways the AUC in percent of the score and of its two
parts, those with running statistics from the run's evaluation.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from mnad import MNAD, FrameScores, score_batch
from pipeline.checkpoint import load_checkpoint
from pipeline.evaluate.metrics import compute_metrics
from pipeline.evaluate.report import load_evaluation
from pipeline.evaluate.scores import VideoScores
from shards.manifest import load_manifest
from shards.storage import Storage
from shards.stream import evaluation_batches

ALPHA, THRESHOLD = 0.6, 0.01


def one_by_one(model: MNAD, shards: str, window: int) -> Iterator[FrameScores]:
    """Scores of each test window in order."""
    storage, items = Storage(shards), model.memory.items.clone()
    for batch in evaluation_batches(
        storage, load_manifest(storage), "testing", window=window, batch=8, device=torch.device("cpu")
    ):
        for single in batch.windows.split(1):
            scores, items = score_batch(model, single, items, THRESHOLD)
            yield scores


def normalise_with_each_batch(model: MNAD) -> None:
    """Let BatchNorm use the statistics of what it is given, and keep its running ones as they are."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 0.0


def areas(videos: list[VideoScores]) -> str:
    """AUC of the score, of the PSNR and of the feature distance."""
    found = {
        name: compute_metrics(videos, alpha).auc
        for name, alpha in (("AUC", ALPHA), ("PSNR", 1), ("distance", 0))
    }
    return ", ".join(f"{name} {100 * auc:.2f}" for name, auc in found.items() if auc is not None)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shards", metavar="SHARDS")
    parser.add_argument("runs", nargs="+", metavar="RUN")
    options = parser.parse_args()
    for run in options.runs:
        checkpoint = load_checkpoint(run)
        model = checkpoint.model()
        normalise_with_each_batch(model)
        scores = one_by_one(model, options.shards, checkpoint.spec.window)
        running = list(load_evaluation(f"{run}/evaluation").videos)
        own = [
            replace(video, scores=FrameScores.join([next(scores) for _ in video.scores.psnr]))
            for video in running
        ]
        print(f"{run}: running {areas(running)}; of each window {areas(own)}", flush=True)


if __name__ == "__main__":
    main()
