"""The digest of a video's work changes with all that its scores depend on, and with nothing else."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from pipeline.runs.provenance import Provenance
from pipeline.scoring.works import works_of
from shards.entries import Video
from shards.manifest import Manifest
from shards.rows import Videos
from tests.helpers.evaluations import WORK
from tests.helpers.shards import make_set, random_frames

WORKED = dataclasses.replace(WORK, runtime="torch")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Three videos for testing, the second without a score, and one for training."""
    lengths = (8, 4, 6)
    testing = [random_frames(length, seed=seed) for seed, length in enumerate(lengths)]
    folder: Path = tmp_path_factory.mktemp("set")
    return make_set(folder, {"testing": testing, "training": [random_frames(9)]}, labels=[[0]] * 3)


def works(manifest: Manifest, provenance: Provenance = WORKED, **options: Any) -> list[str]:
    scored = manifest.split("testing").frames >= 5
    full: dict[str, Any] = {"device": "cpu", "model": "", **options}
    return works_of(provenance, manifest, "testing", scored, **full)


def with_video(manifest: Manifest, number: int, **changed: Any) -> Manifest:
    videos: list[Video] = [*manifest.videos]
    videos[number] = dataclasses.replace(videos[number], **changed)
    return dataclasses.replace(manifest, videos=Videos.of(videos))


def without(manifest: Manifest, number: int) -> Manifest:
    return dataclasses.replace(
        manifest, videos=Videos.of([each for at, each in enumerate(manifest.videos) if at != number])
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"code_version": "2"},
        {"checkpoint_sha256": "01"},
        {"memory": "frozen"},
        {"alpha": 0.5},
        {"threshold": 0.02},
        {"distance": "places"},
        {"precision": "bf16"},
        {"batch_size": 8},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_other_options_are_other_work_for_all_videos(made: Manifest, changed: dict[str, Any]) -> None:
    assert not {*works(made)} & {*works(made, dataclasses.replace(WORKED, **changed))}


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"model": "of another export"}])
def test_another_device_or_model_is_other_work(made: Manifest, options: dict[str, Any]) -> None:
    assert not {*works(made)} & {*works(made, **options)}


@pytest.mark.parametrize(
    "changed", [{"processes": 9}, {"report": True}, {"maps": True}, {"shards": "t"}, {"manifest_sha256": "2"}]
)
def test_what_no_score_depends_on_is_the_same_work(made: Manifest, changed: dict[str, Any]) -> None:
    assert works(made) == works(made, dataclasses.replace(WORKED, **changed))


def test_labels_and_other_videos_change_nothing(made: Manifest) -> None:
    assert works(with_video(made, 0, abnormal=((1, 2),), label_source="other")) == works(made)
    assert works(without(made, 0)) == works(made)[1:]
    assert works(without(made, 3)) == works(made)


def test_another_source_is_other_work_for_its_video_alone(made: Manifest) -> None:
    found = works(with_video(made, 2, source={"bytes": 1, "digest": "00"}))
    assert [mine == theirs for mine, theirs in zip(found, works(made), strict=True)] == [True, True, False]


def test_training_videos_are_work_for_a_distance_from_places(made: Manifest) -> None:
    places = dataclasses.replace(WORKED, distance="places")
    assert not {*works(made, places)} & {*works(without(made, 3), places)}


def test_where_memory_is_carried_a_video_depends_on_those_before_it_that_have_scores(made: Manifest) -> None:
    carry = dataclasses.replace(WORKED, memory="carry")
    before = works(made, carry)
    assert works(without(made, 2), carry) == before[:2]
    assert works(without(made, 1), carry) == [before[0], before[2]]
    assert not {*works(without(made, 0), carry)} & {*before}
