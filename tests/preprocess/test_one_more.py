"""One video that is added leaves no part file; what is left by a run that ends before the manifest."""

from pathlib import Path

import pytest

from pipeline.preprocess import assembly
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.jobs import job_from_json
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.tasks import task_of
from pipeline.preprocess.work import process_video
from shards.errors import StorageError
from shards.manifest import MANIFEST
from tests.helpers import preprocessing
from tests.helpers.shards import set_bytes
from tests.helpers.videos import scene, write_video


def config(root: Path, shards: str = "shards") -> PreprocessConfig:
    return preprocessing.config(root / "source", root / shards, size=(32, 32))


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """A source with one video more than the set `shards` has, and the set `undisturbed` that has all."""
    write_video(tmp_path / "source" / "a.mp4", scene(20))
    for shards in ("shards", "undisturbed"):
        preprocess(config(tmp_path, shards))
    write_video(tmp_path / "source" / "b.mp4", scene(24))
    assert preprocess(config(tmp_path, "undisturbed")).done == 1
    return tmp_path


def test_a_run_that_adds_a_video_leaves_nothing_but_the_set(grown: Path) -> None:
    parts = grown / "undisturbed" / "parts"
    assert not parts.exists() or not [*parts.iterdir()]


def test_a_run_that_fails_after_the_video_was_decoded_leaves_it_to_the_next(
    grown: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (grown / "shards" / MANIFEST).read_bytes()

    def full(*_: object) -> None:
        raise StorageError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(assembly, "write_manifest", full)
        with pytest.raises(StorageError, match="no room"):
            preprocess(config(grown))
    assert (grown / "shards" / MANIFEST).read_bytes() == before
    assert preprocess(config(grown)).done == 0
    assert set_bytes(grown / "shards") == set_bytes(grown / "undisturbed")


def test_a_run_that_is_killed_there_decodes_the_video_again_to_the_same_bytes(grown: Path) -> None:
    tree = list_tree(str(grown / "source"))
    video = next(each for each in recognise(tree, "auto", "training").videos if each.name == "b")
    task = task_of(config(grown), tree.source, video, "decode")
    process_video(job_from_json(task.job), lambda frames, expected: None)
    assert set_bytes(grown / "shards").keys() != set_bytes(grown / "undisturbed").keys()
    assert preprocess(config(grown)).done == 1
    assert set_bytes(grown / "shards") == set_bytes(grown / "undisturbed")
