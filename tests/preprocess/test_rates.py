"""A folder of images has the rate that it is given, and sets that were given none stay as they were."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ConfigError, SourceError
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


@pytest.mark.parametrize("name", ["a.flv", "a.mkv"])
def test_times_that_contradict_the_header_tell_the_rate(name: str, tmp_path: Path) -> None:
    write_video(tmp_path / "source" / name, scene(30), times=range(0, 3000, 100))  # the header says 25
    (tmp_path / "labels.csv").write_text("video,start_seconds,end_seconds\na,1.0,2.0\n")
    summary = run(
        tmp_path / "source", tmp_path / "shards", split="testing", labels=str(tmp_path / "labels.csv")
    )
    (video,) = summary.manifest.videos
    assert (video.source["rate"], video.source["rate_header"], video.source["even"]) == (10.0, 25.0, True)
    assert video.abnormal == ((10, 20),)
    assert [note for note in summary.notes if "10 per second, not at the 25 of its header" in note]


@pytest.mark.parametrize("name", ["a.flv", "a.mkv", "a.mp4", "a.avi", "a.ts", "a.mov"])
@pytest.mark.parametrize("rate", [5, 24, 30])
def test_a_header_that_explains_the_times_to_their_rounding_is_believed(
    name: str, rate: int, tmp_path: Path
) -> None:
    write_video(tmp_path / "source" / name, scene(40), rate=rate, options={"bf": "2"})
    (video,) = run(tmp_path / "source", tmp_path / "shards").manifest.videos
    assert (video.source["rate"], video.source["even"]) == (rate, True)
    assert "rate_header" not in video.source


@pytest.mark.parametrize(("name", "codec"), [("a.h264", "libx264"), ("a.mjpeg", "mjpeg")])
def test_an_elementary_stream_has_the_rate_that_it_is_given(name: str, codec: str, tmp_path: Path) -> None:
    source, shards = tmp_path / "source", tmp_path / "shards"
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    for split in ("training", "testing"):
        write_video(source / split / name, scene(30), codec=codec, pixels=pixels, rate=10)
    labels = tmp_path / "labels.csv"
    labels.write_text("video,start_seconds,end_seconds\na,1.0,2.0\n")
    assert {rate_of(video) for video in run(source, shards).manifest.videos} == {None}
    with pytest.raises(SourceError, match=r"has no frame rate; .* or --rate if it is"):
        run(source, shards, labels=str(labels))
    again = run(source, shards, labels=str(labels), rate=10.0)
    assert again.done == 0
    assert {rate_of(video) for video in again.manifest.videos} == {10.0}
    (video,) = again.manifest.split("testing")
    assert video.abnormal == ((10, 20),)


def test_a_rate_that_turns_out_to_be_taken_by_nothing_is_told(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", scene(12)).rename(tmp_path / "a.m4v")
    (tmp_path / "source").mkdir()
    (tmp_path / "a.m4v").rename(tmp_path / "source" / "a.m4v")
    summary = run(tmp_path / "source", tmp_path / "shards", rate=10.0)
    assert rates(summary) == {"a": 25.0}
    assert "--rate 10 was not used: every video file has a rate of its own" in summary.notes
