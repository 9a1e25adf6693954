"""Room on the disk is looked for before videos are decoded."""

import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.pool import crew
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.sources.tree import SourceFile
from pipeline.preprocess.sources.videos import SourceVideo
from pipeline.preprocess.space import estimate, stored_bytes
from pipeline.preprocess.survey import evenly, survey
from tests.helpers.shards import random_frames
from tests.helpers.videos import scene, write_images, write_video

Usage = namedtuple("Usage", "free")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One video and one folder of images in colour, and one of each in gray."""
    root = tmp_path_factory.mktemp("source")
    colour, gray = scene(40, size=(48, 64)), random_frames(12, (48, 64), gray=True)
    assert (colour[..., 0] != colour[..., 2]).any()
    write_video(root / "training" / "videos" / "colour.mp4", colour)
    write_video(
        root / "training" / "videos" / "gray.mkv", scene(30, size=(48, 64)), codec="ffv1", pixels="gray"
    )
    write_images(root / "testing" / "frames" / "colour", colour)
    write_images(root / "testing" / "frames" / "gray", gray)
    return root


def test_headers_tell_frames_and_first_frames_tell_gray(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(source, tmp_path / "all")
    (tmp_path / "all" / "training" / "videos" / "broken.mp4").write_bytes(b"no video")
    tree = list_tree(str(tmp_path / "all"))
    videos = recognise(tree, "auto", "training").videos
    config = PreprocessConfig(source=str(tmp_path / "all"), shards=str(tmp_path / "set"), size=(48, 64))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0))
    with crew(2, 60) as members:
        found = survey(config, tree.source, videos, members)
    assert "training/broken" in found.failed
    assert found.planes == {
        "training/colour": 120,
        "training/gray": 30,
        "testing/colour": 120,
        "testing/gray": 12,
    }


def test_the_estimate_is_what_raw_shards_take(source: Path, tmp_path: Path) -> None:
    preprocess(PreprocessConfig(source=str(source), shards=str(tmp_path), size=(48, 64), workers=1))
    stored = sum(path.stat().st_size for path in tmp_path.glob("*.tar"))
    assert stored_bytes(120 + 30 + 120 + 12, 48 * 64, 5) == pytest.approx(stored, rel=0.1)


def test_what_does_not_fit_is_refused_with_the_codecs_that_do(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = 2 * stored_bytes(282, 48 * 64, 5)  # small videos are there twice before they share shards
    config: dict[str, Any] = {
        "source": str(source),
        "shards": str(tmp_path / "set"),
        "size": (48, 64),
        "workers": 1,
    }

    def free(size: float) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(int(size)))

    free(raw - 1)
    with pytest.raises(SourceError) as caught:
        preprocess(PreprocessConfig(**config))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/set: found 1 MiB free, expected at least about 1 MiB for 4 videos")
    assert message.endswith("or take --codec deflate or jpeg")
    assert not list(tmp_path.glob("set/*"))
    free(raw * 0.6)
    with pytest.raises(SourceError, match=r"or take --codec jpeg$"):
        preprocess(PreprocessConfig(**config))
    free(100)
    with pytest.raises(SourceError, match=r"a smaller --size$"):
        preprocess(PreprocessConfig(**config))
    free(raw * 0.6)
    assert preprocess(PreprocessConfig(**config, codec="deflate")).done == 4
    free(0)
    assert preprocess(PreprocessConfig(**config, codec="deflate")).done == 0  # nothing is to be written


def video(name: str, size: int) -> SourceVideo:
    file = SourceFile(path=name, size=size, modified=0)
    return SourceVideo(split="training", name=name, files=(file,), is_images=False)


def test_videos_that_were_not_looked_at_are_like_the_others() -> None:
    videos = [video("a", 1000), video("b", 3000), video("c", 4000)]
    assert estimate({"training/a": 30}, videos[:2], videos) == 30 * 8
    assert estimate({}, videos[:2], videos) == 0


def test_a_header_that_claims_more_frames_than_its_file_can_hold_is_not_believed() -> None:
    assert estimate({"training/a": 10**15}, [video("a", 800)], [video("a", 800)]) == 300


def test_looks_are_spread_evenly_up_to_the_largest() -> None:
    videos = [video(str(index), index) for index in range(10)]
    assert [each.name for each in evenly(videos, 3)] == ["2", "5", "9"]
    assert evenly(videos[:2], 3) == videos[:2]
