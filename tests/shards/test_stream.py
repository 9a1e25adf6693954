"""Batches are exactly the planned windows, whatever reads them."""

import numpy as np
import torch

from shards.manifest import load_manifest
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream
from tests.helpers.shards import make_set, random_frames


def test_smoke(tmp_path):
    videos = [random_frames(n, seed=n) for n in (40, 70, 3, 36, 5)]
    made = make_set(tmp_path, {"training": videos})
    storage = Storage(tmp_path)
    manifest = load_manifest(storage)
    assert manifest == made
    stream = TrainingStream(storage, manifest, "training", window=5, device=torch.device("cpu"))
    plan = epoch_plan(stream.windows, seed=0, epoch=0, rank=0, world=1, batch=4)
    seen = 0
    for step, batch in enumerate(stream.batches(plan)):
        rows = slice(step * 4, step * 4 + 4)
        for window, read, start in zip(batch, plan.window_reads[rows], plan.window_starts[rows], strict=True):
            located = stream.segments[plan.reads[read]]
            first = located.segment.first + start
            direct = videos[located.video][first : first + 5].astype(np.float32) / np.float32(127.5) - 1
            assert np.array_equal(window.numpy(), direct.transpose(0, 3, 1, 2))
            seen += 1
    assert seen == plan.steps * 4
