"""A set that grows every day for a month, while it is trained on and evaluated."""

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.errors import CheckpointError
from pipeline.evaluate import summary
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.preprocess import decode
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.worker import Worker
from pipeline.runs.layout import checkpoint_steps
from pipeline.train import run as training
from pipeline.train.config import train_config
from pipeline.train.run import train
from shards import revision
from shards.errors import ShardError
from shards.manifest import Manifest, load_manifest
from shards.storage import Storage
from shards.verify import verify
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.shards import set_bytes
from tests.helpers.videos import scene, write_video

pytestmark = pytest.mark.slow

DAYS = 30
FRAMES, SCORED = 9, 5
SIZE = (16, 16)


class Month:
    """A camera's folder, its shard set, and who works with it.

    Each third day brings a training video, each other one a testing video, most of them labelled; the tenth
    day a label alone; on the twentieth a testing video is replaced, and on the twenty-fifth one is removed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.labels: dict[str, str] = {}
        self.versions: list[Manifest] = []

    def change(self, day: int) -> None:
        """What happens to the source on a day."""
        testing = self.root / "source" / "testing" / "videos"
        if day == 10:
            self.labels["d001"] = "0,2"
        elif day == 20:
            write_video(testing / "d002.mp4", scene(FRAMES, size=SIZE, seed=99))
        elif day == 25:
            (testing / "d004.mp4").unlink()
            del self.labels["d004"]
        else:
            split = "training" if day % 3 == 0 else "testing"
            path = self.root / "source" / split / "videos" / f"d{day:03d}.mp4"
            write_video(path, scene(FRAMES, size=SIZE, seed=day, abnormal=(4, 8)))
            if day % 2 == 0 and split == "testing":
                self.labels[path.stem] = "4,8"
        lines = ["video,start,end", *(f"{name},{span}" for name, span in sorted(self.labels.items()))]
        (self.root / "source" / "labels.csv").write_text("\n".join(lines) + "\n")

    def preprocess(self, shards: str = "shards", **options: Any) -> Manifest:
        config = PreprocessConfig(
            source=str(self.root / "source"), shards=str(self.root / shards), size=SIZE, workers=1, **options
        )
        return preprocess(config).manifest

    def evaluate(self, version: Manifest, out: str = "evaluation") -> tuple[int, int]:
        """Frames that were scored, and frames that have a score."""
        config = EvaluateConfig(
            shards=str(self.root / "shards"),
            checkpoint=str(self.root / "model.safetensors"),
            out=str(self.root / out),
            manifest_digest=version.digest,
            memory="video",
            report=False,
        )
        found = evaluate(config)
        assert found is not None
        return found.record.timing.frames, found.record.frames.scored

    def train(self, version: Manifest, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """Train for one epoch more and be stopped; the steps of the checkpoints that are there."""
        epochs: list[int] = []
        one_epoch = training._train_epoch

        def train_epoch(setup: Any, epoch: int, *rest: Any) -> dict[str, float]:
            if epochs:
                raise KeyboardInterrupt
            epochs.append(epoch)
            return one_epoch(setup, epoch, *rest)

        options: dict[str, Any] = {"epochs": 9, "batch_size": 5, "checkpoint_epochs": 1, "precision": "fp32"}
        config = train_config(
            shards=str(self.root / "shards"),
            run=str(self.root / "run"),
            manifest_digest=version.digest,
            hold_out=0.0,
            **options,
        )
        with monkeypatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr(training, "_train_epoch", train_epoch)
            train(config)
        return checkpoint_steps(Storage(self.root / "run"))


@pytest.fixture
def month(tmp_path: Path) -> Month:
    make_checkpoint(tmp_path / "model.safetensors", size=SIZE)
    return Month(tmp_path)


@pytest.fixture
def during(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Callable[[], object]]]:
    """What is done while videos are decoded: one worker process does so for the whole month."""
    tasks: list[Callable[[], object]] = []
    with Worker(120) as worker:

        @contextlib.contextmanager
        def crew(*_: object) -> Iterator[list[Worker]]:
            while tasks:
                tasks.pop()()
            yield [worker]

        monkeypatch.setattr(decode, "crew", crew)
        yield tasks


def test_every_day_of_a_month_costs_what_is_new_and_leaves_every_version_as_it_was(
    month: Month, during: list[Callable[[], object]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(revision, "SMALL", 1)  # so that 25 videos take as many tables as 100,000 would
    monkeypatch.setattr(summary, "write_plots", lambda *_: None)
    storage = Storage(tmp_path / "shards")
    for day in (0, 1, 2):
        month.change(day)
    month.versions.append(month.preprocess())
    scored: list[tuple[int, int]] = []
    expected: list[tuple[int, int]] = []
    known: set[tuple[str, str]] = set()
    trained: list[list[int]] = []
    for day in range(3, DAYS):
        month.change(day)
        before = month.versions[-1]
        if day % 3 == 0:
            videos = {(video.name, video.source["digest"]) for video in before.split("testing")}
            expected.append((SCORED * len(videos - known), SCORED * len(videos)))
            known = videos
            during.append(lambda version=before: scored.append(month.evaluate(version)))  # type: ignore[misc]
        if day in (4, 5):  # day 3 brought a training video, the others did not
            during.append(lambda version=before: trained.append(month.train(version, monkeypatch)))  # type: ignore[misc]
        month.versions.append(month.preprocess())
        assert not during or day in (10, 25), "nothing was decoded on this day"
        while during:
            during.pop()()
        assert load_manifest(storage) == month.versions[-1]
        assert len(month.versions[-1].videos.parts) <= 1 + math.log2(len(month.versions[-1].videos))

    assert scored == expected
    assert max(frames for frames, _ in scored) == 2 * SCORED
    assert trained[0] == [2] and trained[1] == [2, 4]
    with pytest.raises(CheckpointError, match="training videos"):
        month.train(month.versions[-1], monkeypatch)
    assert month.train(month.versions[2], monkeypatch)[-1] == 6

    month.evaluate(month.versions[-1])
    month.evaluate(month.versions[-1], "fresh")
    rows = [
        pq.read_table(tmp_path / out / "scores").replace_schema_metadata() for out in ("evaluation", "fresh")
    ]
    assert rows[0] == rows[1]
    for version in month.versions:
        found = load_manifest(storage, version.digest)
        assert found == version
        assert verify(storage, found, lambda video: None) == []

    month.preprocess(compact=True)
    month.preprocess("once")
    assert set_bytes(tmp_path / "shards") == set_bytes(tmp_path / "once")
    with pytest.raises(ShardError, match="as pinned"):
        load_manifest(storage, month.versions[0].digest)
