"""What a trained model scores if BatchNorm normalises with the statistics of each test window.

    python studies/batch_statistics.py SHARDS RUN [RUN ...]

BatchNorm is to use its running statistics at test time. A version of PyTorch that lost them, or a script that
never left training mode, would use the window's own; this tells whether that could explain a figure. Windows
go one by one, the memory is carried on. Prints for both ways the AUC in percent of the score and of its two
parts, those with running statistics from the run's evaluation.
"""

from collections.abc import Iterator
from dataclasses import replace

from torch import nn

import probing
from mnad import MNAD, FrameScores, score_batch
from pipeline.report.evaluation import load_evaluation
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.scoring.choices import ALPHA, THRESHOLD
from pipeline.scoring.videoscores import VideoScores


def one_by_one(model: MNAD, shards: str, window: int) -> Iterator[FrameScores]:
    """Scores of each test window in order."""
    items = model.memory.items.clone()
    for batch in probing.batches(shards, "testing", window):
        for single in batch.windows.split(1):
            scores, items = score_batch(model, single, items, THRESHOLD[model.task])
            yield scores


def normalise_with_each_batch(model: MNAD) -> None:
    """Let BatchNorm use the statistics of what it is given, and keep its running ones as they are."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
            module.momentum = 0.0


def areas(videos: list[VideoScores], alpha: float) -> str:
    """AUC of the score, of the PSNR and of the feature distance."""
    parts = (("AUC", alpha), ("PSNR", 1), ("distance", 0))
    return ", ".join(f"{name} {probing.area(videos, weight):.2f}" for name, weight in parts)


def main() -> None:
    given = probing.options(__doc__)
    for run in given.runs:
        checkpoint = load_checkpoint(run)
        model = checkpoint.model()
        normalise_with_each_batch(model)
        scores = one_by_one(model, given.shards, checkpoint.spec.window)
        running = list(load_evaluation(f"{run}/evaluation").videos)
        own = [
            replace(video, scores=FrameScores.join([next(scores) for _ in video.scores.psnr]))
            for video in running
        ]
        alpha = ALPHA[model.task]
        print(f"{run}: running {areas(running, alpha)}; of each window {areas(own, alpha)}", flush=True)


if __name__ == "__main__":
    main()
