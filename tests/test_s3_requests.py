"""How many requests each stage makes of a real object store: what a bucket takes time and money for."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from shards.cache import DiskCache
from shards.manifest import load_manifest
from shards.plan import epoch_plan
from shards.storage import Storage
from shards.stream import TrainingStream
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.objectstore import ObjectStore, object_store
from tests.helpers.servers import counting_proxy
from tests.helpers.videos import surveillance_set

pytestmark = pytest.mark.slow

VIDEOS, FRAMES = 6, 40
SEGMENTS = 2
"""Of each video: 36 windows in runs of 32."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The most requests of a stage: some for the set, and some for each video and segment that is there."""

    once: int
    video: int = 0
    segment: int = 0

    def of(self, videos: int) -> int:
        return self.once + self.video * videos + self.segment * SEGMENTS * videos


BOUNDS = {
    "preprocess": Bound(once=18, video=4),
    "nothing new": Bound(once=13),
    "append one": Bound(once=20),
    "open": Bound(once=8),
    "epoch": Bound(once=3, segment=1),
    "second epoch": Bound(once=0),
    "evaluate": Bound(once=10),
}
"""Videos are those that the stage goes through; for what is there already, no request is made. They share
shards, of which an evaluation fetches neighbouring segments in one request."""


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[tuple[ObjectStore, list[str]]]:
    with object_store(tmp_path / "store") as store, counting_proxy(store.port) as (port, requests):
        yield ObjectStore(port), requests


def test_no_stage_makes_more_requests_than_stated(
    counted: tuple[ObjectStore, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, requests = counted
    monkeypatch.setenv("MNAD_CACHE_GB", "0")
    source, location = tmp_path / "source", store.location("shards")
    found: dict[str, tuple[int, int]] = {}

    def note(stage: str, videos: int) -> None:
        """Count what was asked since the last note."""
        found[stage] = len(requests), BOUNDS[stage].of(videos)
        requests.clear()

    surveillance_set(source, training=VIDEOS, testing=VIDEOS, frames=FRAMES)
    config = PreprocessConfig(source=str(source), shards=location, size=(16, 16), workers=1)
    requests.clear()
    preprocess(config)
    note("preprocess", 2 * VIDEOS)
    preprocess(config)
    note("nothing new", 2 * VIDEOS)
    videos = source / "training" / "videos"
    shutil.copy(videos / "01.mp4", videos / f"{VIDEOS + 1:02d}.mp4")
    assert preprocess(config).done == 1
    note("append one", 2 * VIDEOS + 1)

    storage = Storage(location)
    manifest = load_manifest(storage)
    note("open", 2 * VIDEOS + 1)
    stream = TrainingStream(
        storage,
        manifest,
        "training",
        window=5,
        device=torch.device("cpu"),
        disk_cache=DiskCache(tmp_path / "cache", 1 << 30),
    )
    for epoch, stage in enumerate(("epoch", "second epoch")):
        plan = epoch_plan(stream.windows, seed=0, epoch=epoch, rank=0, world=1, batch=4)
        assert sum(len(batch) for batch in stream.batches(plan)) == plan.steps * 4
        note(stage, VIDEOS + 1)

    make_checkpoint(tmp_path / "model.safetensors", size=(16, 16))
    model, out = str(tmp_path / "model.safetensors"), str(tmp_path / "evaluation")
    evaluate(EvaluateConfig(shards=location, checkpoint=model, out=out, report=False, device="cpu"))
    note("evaluate", VIDEOS)
    assert {stage: pair for stage, pair in found.items() if pair[0] > pair[1]} == {}, found
