"""Whether training can tell the stream's order from a uniform permutation.

    python studies/shuffle_training.py SHARDS [--epochs 4] [--seeds 3] [--pools 8,64]

SHARDS is a set with labels whose segments all fit the default pool, as Ped2's do: there the order is a
uniform permutation, and smaller pools are compared with that. Prints, per pool and seed, the mean pixel loss
of the last epoch and the AUC with the memory frozen.
"""

import argparse
import statistics

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from mnad import MNAD, training_losses
from mnad.scoring import feature_distance, normality, psnr, squared_error
from shards.manifest import Manifest, load_manifest
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream, evaluation_batches

WINDOW, BATCH, LEARNING_RATE, COMPACT, SEPARATE, ALPHA = 5, 4, 2e-4, 0.1, 0.1, 0.6
CPU = torch.device("cpu")


def train(storage: Storage, manifest: Manifest, seed: int, epochs: int, pool: int) -> tuple[MNAD, float]:
    """A model, and its mean pixel loss in the last epoch."""
    torch.manual_seed(seed)
    model = MNAD("pred", window=WINDOW, generator=torch.Generator().manual_seed(seed))
    model.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
    stream = TrainingStream(storage, manifest, "training", window=WINDOW, device=CPU)
    for epoch in range(epochs):
        plan = epoch_plan(stream.windows, seed=seed, epoch=epoch, rank=0, world=1, batch=BATCH, pool=pool)
        pixel = torch.zeros(())
        for windows in stream.batches(plan):
            inputs, target = model.split(windows)
            output = model(inputs.contiguous(memory_format=torch.channels_last))
            losses = training_losses(output.frame, target, output.queries, model.memory.items)
            optimizer.zero_grad()
            losses.total(COMPACT, SEPARATE).backward()
            optimizer.step()
            model.memory.update(output.queries.detach())
            pixel += losses.pixel.detach()
    return model.eval(), float(pixel / plan.steps)


@torch.no_grad()
def area_under_curve(model: MNAD, storage: Storage, manifest: Manifest) -> float:
    """AUC over all frames of the testing videos, scores scaled within each video."""
    scores: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}
    for part in evaluation_batches(storage, manifest, "testing", window=WINDOW, batch=16, device=CPU):
        inputs, target = model.split(part.windows)
        output = model(inputs.contiguous(memory_format=torch.channels_last))
        items = model.memory.items.expand(len(output.queries), -1, -1)
        row = psnr(squared_error(output.frame, target)), feature_distance(output.queries, items)
        scores.setdefault(part.video, []).append((row[0].numpy(), row[1].numpy()))
    anomaly, labels = [], []
    for index, video in enumerate(manifest.split("testing")):
        assert video.labels is not None
        quality, distance = (np.concatenate(column) for column in zip(*scores[index], strict=True))
        anomaly.append(1 - normality(quality, distance, ALPHA))
        labels.append(video.labels[WINDOW - 1 :])
    return float(roc_auc_score(np.concatenate(labels), np.concatenate(anomaly)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shards", metavar="SHARDS")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pools", default="8,64")
    options = parser.parse_args()
    storage = Storage(options.shards)
    manifest = load_manifest(storage)
    print(f"{'pool':>6} {'seed':>5} {'pixel loss':>11} {'AUC':>7}")
    for pool in map(int, options.pools.split(",")):
        rows = []
        for seed in range(options.seeds):
            model, loss = train(storage, manifest, seed, options.epochs, pool)
            rows.append((loss, area_under_curve(model, storage, manifest)))
            print(f"{pool:6} {seed:5} {rows[-1][0]:11.5f} {rows[-1][1]:7.4f}", flush=True)
        if len(rows) > 1:
            for name, column in zip(("pixel loss", "AUC"), zip(*rows, strict=True), strict=True):
                mean, deviation = statistics.mean(column), statistics.stdev(column)
                print(f"{pool:6} {name}: mean {mean:.5f}, deviation between seeds {deviation:.5f}")


if __name__ == "__main__":
    main()
