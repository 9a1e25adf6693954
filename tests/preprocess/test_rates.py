"""A folder of images has the rate that it is given, and sets that were given none stay as they were."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import Summary, preprocess
from shards.rates import rate_of
from tests.helpers.preprocessing import config
from tests.helpers.shards import set_bytes
from tests.helpers.videos import scene, write_images, write_video


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of images and a video file of 25 frames per second, one of each for training."""
    root = tmp_path_factory.mktemp("source")
    write_images(root / "training" / "a", scene(12))
    write_video(root / "training" / "b.mp4", scene(12))
    write_images(root / "testing" / "c", scene(30))
    return root


def run(source: Path, shards: Path, **options: Any) -> Summary:
    return preprocess(config(source, shards, **options))


def rates(summary: Summary) -> dict[str, float | None]:
    return {video.name: rate_of(video) for video in summary.manifest.videos}


def test_folders_of_images_have_the_rate_they_are_given_and_files_their_own(
    source: Path, tmp_path: Path
) -> None:
    assert rates(run(source, tmp_path / "shards", rate=12.5)) == {"a": 12.5, "b": 25.0, "c": 12.5}


def test_a_rate_is_given_changed_and_taken_away_without_decoding(source: Path, tmp_path: Path) -> None:
    assert rates(run(source, tmp_path / "shards")) == {"a": None, "b": 25.0, "c": None}
    before = set_bytes(tmp_path / "shards")
    for rate in (12.5, 10):
        again = run(source, tmp_path / "shards", rate=rate, compact=True)
        assert again.done == 0
        assert rates(again) == {"a": rate, "b": 25.0, "c": rate}
    fresh = run(source, tmp_path / "fresh", rate=10)
    assert set_bytes(tmp_path / "shards") == set_bytes(tmp_path / "fresh")
    assert fresh.done == 3
    assert run(source, tmp_path / "shards", compact=True).done == 0
    assert set_bytes(tmp_path / "shards") == before


def test_labels_in_seconds_are_read_at_the_given_rate(source: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("video,start_seconds,end_seconds\nc,1.0,2.0\n")
    summary = run(source, tmp_path / "shards", rate=10.0, labels=str(tmp_path / "labels.csv"))
    (video,) = summary.manifest.split("testing")
    assert video.abnormal == ((10, 20),)


def test_rates_that_differ_are_noted_for_images_too(source: Path, tmp_path: Path) -> None:
    notes = run(source, tmp_path / "shards", rate=10.0).notes
    assert any("run at different rates, 10 (a) to 25 (b) frames per second" in note for note in notes)


def test_a_rate_that_nothing_takes_is_refused(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a.mp4", scene(12))
    with pytest.raises(
        ConfigError, match=r"--rate: found video files alone in .*source, expected folders of"
    ):
        run(tmp_path / "source", tmp_path / "shards", rate=10.0)
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_what_is_no_rate_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="--rate: found"):
        PreprocessConfig(source="a", shards="b", rate=rate)
