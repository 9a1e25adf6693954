"""The frames of a video of a set: each once, as they went in."""

from pathlib import Path

import numpy as np
import pytest

from shards.frames import video_frames
from shards.manifest import load_manifest
from shards.storage import Storage
from tests.helpers.shards import make_set, random_frames

VIDEOS = [random_frames(80, seed=1), random_frames(70, seed=2, gray=True), random_frames(3, seed=3)]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    folder: Path = tmp_path_factory.mktemp("set")
    make_set(folder, {"training": VIDEOS})
    return Storage(str(folder))


@pytest.mark.parametrize("video", range(3))
@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 1), (40, 47), (31, 70), (35, 36), (2, 3)])
def test_a_part_of_a_video_is_as_it_went_in(
    storage: Storage, video: int, start: int, end: int | None
) -> None:
    expected = VIDEOS[video][start:end]
    manifest = load_manifest(storage)
    found = list(video_frames(storage, manifest, "training", video, start=start, end=end, threads=2))
    assert [number for number, _ in found] == list(range(start, start + len(expected)))
    for (_, frame), other in zip(found, expected, strict=True):
        assert np.array_equal(frame, other)
