"""An evaluation of a newer version of a set scores what is new, and its files are those of a fresh one."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.evaluate import score, summary, target
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.run import evaluate
from pipeline.evaluate.summary import Summary
from pipeline.scoring import exhibitwriter, maps, tablewriter
from shards.entries import Video
from shards.manifest import Manifest, write_manifest
from shards.rows import Videos
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.ranks import run_ranks
from tests.helpers.shards import make_set, smooth_frames

SIZE = (8, 16)
LENGTHS = (12, 7, 9, 4, 40)
"""The fourth video is too short for a score; the last one has two segments."""
SCORED = tuple(max(0, length - 4) for length in LENGTHS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pool:
    """A set in which all videos of all versions lie.

    Attributes:
        folder: with `shards` and `model.safetensors`.
        manifest: of any version, but for its videos.
        videos: by number, from 1 on; those below 0 have other frames, and the same name.
    """

    folder: Path
    manifest: Manifest
    videos: dict[int, Video]

    def write(self, *chosen: int | Video) -> None:
        """Make a version of some videos, given by number or as they are, the newest."""
        storage = Storage(self.folder / "shards")
        videos = [self.videos[each] if isinstance(each, int) else each for each in chosen]
        training = self.manifest.split("training")
        write_manifest(
            storage, dataclasses.replace(self.manifest, videos=Videos.of([*videos, *training]), digest="")
        )

    def evaluate(self, out: Path, **options: Any) -> Summary:
        """Evaluate the newest version."""
        full = {"shards": str(self.folder / "shards"), "checkpoint": str(self.folder / "model.safetensors")}
        found = evaluate(EvaluateConfig(**{**full, "out": str(out), "threshold": 0.1, **options}))
        assert found is not None
        return found


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    folder = tmp_path_factory.mktemp("pool")
    videos: dict[int, Video] = {}
    for sign in (1, -1):
        frames = [smooth_frames(length, SIZE, seed=sign * n + 9) for n, length in enumerate(LENGTHS, 1)]
        for each in frames:
            each[len(each) // 2] //= 3
        labels = [np.arange(length) >= length // 2 for length in LENGTHS]
        manifest = make_set(
            folder / "shards", {"training": [smooth_frames(12, SIZE)], "testing": frames}, labels=labels
        )
        videos |= {sign * n: video for n, video in enumerate(manifest.split("testing"), 1)}
    make_checkpoint(folder / "model.safetensors", size=SIZE)
    return Pool(folder=folder, manifest=manifest, videos=videos)


@pytest.fixture(autouse=True)
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plots are drawn of the table that is compared, and take longer than all else."""
    monkeypatch.setattr(summary, "write_plots", lambda *_: None)


def results(out: Path) -> dict[str, Any]:
    """All files of an evaluation that do not say how long it took or where it lies."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        if name == "metrics.json":
            record = json.loads(path.read_text())
            del record["timing"], record["config"]["out"]
            found[name] = record
        elif name.endswith(".parquet"):
            table = pq.read_table(path)
            metadata = dict(table.schema.metadata)
            header = json.loads(metadata.pop(b"mnad"))
            found[name] = table.replace_schema_metadata(), metadata, header["provenance"]
        elif name not in ("config.toml", "report.html"):
            found[name] = path.read_bytes()
    return found


def relabelled(video: Video) -> Video:
    return dataclasses.replace(video, abnormal=((0, 2),))


@pytest.mark.parametrize(
    ("before", "after", "scored"),
    [
        ((1, 2), (1, 2, 3), (3,)),
        ((2, 5), (1, 2, 3, 4, 5), (1, 3)),
        ((1, 2, 3), (1, 3), ()),
        ((1, 2, 3), (1, -2, 3), (2,)),
        ((1, 2, 5), (1, -2, 3, -5), (2, 3, 5)),
        ((1, 2, 5), (1, 2), (1, 2)),  # of fewer frames, more are pictured
    ],
    ids=["appended", "among others", "removed", "changed", "all at once", "denser"],
)
def test_only_videos_that_are_new_are_scored(
    pool: Pool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    before: Sequence[int],
    after: Sequence[int],
    scored: Sequence[int],
) -> None:
    monkeypatch.setattr(maps, "CHUNK", 16)
    monkeypatch.setattr(exhibitwriter, "MOST_PICTURES", 6)
    options: dict[str, Any] = {"memory": "video", "maps": True}
    pool.write(*before)
    pool.evaluate(tmp_path / "out", **options)
    pool.write(*after)
    found = pool.evaluate(tmp_path / "out", **options)
    assert found.record.timing.frames == sum(SCORED[abs(n) - 1] for n in scored)
    pool.evaluate(tmp_path / "fresh", **options)
    assert results(tmp_path / "out") == results(tmp_path / "fresh")


def test_a_removed_video_costs_nothing_where_all_frames_are_pictured(pool: Pool, tmp_path: Path) -> None:
    pool.write(1, 2, 3)
    pool.evaluate(tmp_path / "out", memory="frozen")
    pool.write(1, 3)
    found = pool.evaluate(tmp_path / "out", memory="frozen")
    assert (found.record.timing.frames, found.reused) == (0, 2)
    assert "frames per second" not in (tmp_path / "out" / "report.html").read_text()
    pool.evaluate(tmp_path / "fresh", memory="frozen")
    assert results(tmp_path / "out") == results(tmp_path / "fresh")


@pytest.mark.parametrize("memory", ["carry", "video"])
def test_a_changed_label_scores_nothing_and_changes_the_metrics(
    pool: Pool, tmp_path: Path, memory: str
) -> None:
    pool.write(1, 2)
    first = pool.evaluate(tmp_path / "out", memory=memory)
    pool.write(1, relabelled(pool.videos[2]))
    second = pool.evaluate(tmp_path / "out", memory=memory)
    assert second.record.timing.frames == 0
    assert second.record.frames.abnormal != first.record.frames.abnormal
    pool.evaluate(tmp_path / "fresh", memory=memory)
    assert results(tmp_path / "out") == results(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("after", "scored"),
    [((1, 2, 3), (3,)), ((1, 2, 4), ()), ((1,), (1,)), ((-1, 2, 3), (1, 2, 3)), ((1, -2), (1, 2))],
    ids=["appended", "appended without a score", "last removed", "first changed", "last changed"],
)
def test_a_carried_memory_goes_on_after_the_last_video_and_nowhere_else(
    pool: Pool, tmp_path: Path, after: Sequence[int], scored: Sequence[int]
) -> None:
    pool.write(1, 2)
    pool.evaluate(tmp_path / "out", report=False)
    pool.write(*after)
    found = pool.evaluate(tmp_path / "out", report=False)
    assert found.record.timing.frames == sum(SCORED[abs(n) - 1] for n in scored)
    pool.evaluate(tmp_path / "fresh", report=False)
    assert results(tmp_path / "out") == results(tmp_path / "fresh")


def test_of_other_work_no_score_is_taken(pool: Pool, tmp_path: Path) -> None:
    pool.write(1, 2)
    pool.evaluate(tmp_path / "out", report=False, memory="video")
    pool.write(1, 2, 3)
    found = pool.evaluate(tmp_path / "out", report=False, memory="video", batch_size=3)
    assert (found.reused, found.record.timing.frames) == (0, found.record.frames.scored)


def test_asked_for_again_the_same_version_is_scored_again(pool: Pool, tmp_path: Path) -> None:
    pool.write(1, 2)
    for _ in range(2):
        found = pool.evaluate(tmp_path / "out", report=False)
        assert (found.reused, found.record.timing.frames) == (0, SCORED[0] + SCORED[1])


def test_pictures_and_maps_that_were_not_made_before_are_made(pool: Pool, tmp_path: Path) -> None:
    for options in ({"report": True}, {"maps": True}):
        pool.write(1, 2)
        bare = {"report": False, "memory": "video"}
        pool.evaluate(tmp_path / "out", **bare)
        pool.write(1, 2, 3)
        assert pool.evaluate(tmp_path / "out", **(bare | options)).reused == 0


@pytest.mark.parametrize("kind", ["scores", "exhibits"])
def test_damaged_scores_are_not_taken(pool: Pool, tmp_path: Path, kind: str) -> None:
    pool.write(1, 2)
    pool.evaluate(tmp_path / "out", memory="video")
    (path,) = (tmp_path / "out" / kind).iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 3 if kind == "exhibits" else 60] ^= 1
    path.write_bytes(data)
    pool.write(1, 2, 3)
    assert pool.evaluate(tmp_path / "out", memory="video").reused == 0
    pool.evaluate(tmp_path / "fresh", memory="video")
    assert results(tmp_path / "out") == results(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("module", "victim"),
    [
        (target, "dump_config"),
        (score, "feed"),
        (tablewriter, "write_part"),
        (summary, "compute_figures"),
        (summary, "forget"),
    ],
)
def test_wherever_it_stops_the_next_run_scores_no_more_and_gives_the_same(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, victim: str
) -> None:
    options: dict[str, Any] = {"memory": "video", "maps": True}
    pool.write(1, 2)
    pool.evaluate(tmp_path / "out", **options)
    pool.write(1, -2, 3)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, victim, stop)
        with pytest.raises(KeyboardInterrupt):
            pool.evaluate(tmp_path / "out", **options)
    was_whole = (tmp_path / "out" / "metrics.json").exists()
    assert was_whole == (victim == "forget")
    found = pool.evaluate(tmp_path / "out", **options)
    assert found.record.timing.frames == sum(SCORED[0 if was_whole else 1 : 3])
    pool.evaluate(tmp_path / "fresh", **options)
    assert results(tmp_path / "out") == results(tmp_path / "fresh")


def test_a_killed_evaluation_helps_that_of_a_version_after_it(
    pool: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"memory": "video"}
    pool.write(1)
    pool.evaluate(tmp_path / "out", **options)
    pool.write(1, 2)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(summary, "compute_figures", stop)
        with pytest.raises(KeyboardInterrupt):
            pool.evaluate(tmp_path / "out", **options)
    pool.write(1, 2, 3)
    found = pool.evaluate(tmp_path / "out", **options)
    assert found.record.timing.frames == SCORED[2]
    assert not list((tmp_path / "out" / "earlier").iterdir())
    pool.evaluate(tmp_path / "fresh", **options)
    assert results(tmp_path / "out") == results(tmp_path / "fresh")


def evaluate_in_ranks(config: EvaluateConfig) -> int | None:
    found = evaluate(config)
    return None if found is None else found.record.timing.frames


@pytest.mark.ddp
def test_several_processes_take_what_one_has_scored_and_the_other_way_round(
    pool: Pool, tmp_path: Path
) -> None:
    def config(out: str) -> EvaluateConfig:
        shards, model = str(pool.folder / "shards"), str(pool.folder / "model.safetensors")
        options: dict[str, Any] = {"memory": "video", "threshold": 0.1, "device": "cpu", "report": False}
        return EvaluateConfig(shards=shards, checkpoint=model, out=str(tmp_path / out), **options)

    pool.write(1, 2, 3)
    evaluate(config("out"))
    pool.write(1, 2, 3, 5)
    frames, _ = run_ranks(2, evaluate_in_ranks, config("out"))
    assert frames == SCORED[4]
    assert len(list((tmp_path / "out" / "scores").iterdir())) == 2
    pool.write(-1, 2, 3, 5)
    assert evaluate_in_ranks(config("out")) == SCORED[0]
    evaluate(config("fresh"))
    assert results(tmp_path / "out") == results(tmp_path / "fresh")
