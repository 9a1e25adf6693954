"""Feed the shuffled training windows of a shard set to a training loop of your own.

    python examples/stream_windows.py SHARDS

SHARDS is a local folder or a location such as s3://bucket/shards. Batches arrive normalised, on the device.
"""

import sys

import torch

from shards.manifest import load_manifest
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream

WINDOW, BATCH, EPOCHS = 5, 4, 2
RANK, WORLD = 0, 1  # which process of how many this is; torchrun gives both in RANK and WORLD_SIZE


def main(shards: str) -> None:
    """Print a loss for each batch of each epoch."""
    storage = Storage(shards)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stream = TrainingStream(storage, load_manifest(storage), "training", window=WINDOW, device=device)
    for epoch in range(EPOCHS):
        # A pure function: every rank takes the same number of steps, and no window comes twice in an epoch.
        plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=RANK, world=WORLD, batch=BATCH)
        # To resume within an epoch, pass the step: stream.batches(plan, first_step).
        for step, windows in enumerate(stream.batches(plan)):
            # windows is float32 (B, T, 3, H, W) in [-1, 1]: all frames but the last predict the last.
            seen, target = windows[:, :-1], windows[:, -1]
            loss = (seen[:, -1] - target).square().mean().item()  # of "nothing moves"; your network goes here
            print(f"epoch {epoch}, step {step + 1} of {plan.steps}: {tuple(windows.shape)}, loss {loss:.5f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
