"""The synthetic set: seeded, labelled, and normal where it says so."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pipeline.errors import ConfigError, SourceError
from pipeline.synthesize.clips import clip
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.run import synthesize
from pipeline.synthesize.scene import EVENTS, Event, View, background


def config(out: Path, **options: int) -> SynthesizeConfig:
    settings: dict[str, Any] = {"training_clips": 1, "testing_clips": 3, "frames": 60, "size": (64, 96)}
    return SynthesizeConfig(out=str(out), **{**settings, **options})


def read(path: Path) -> np.ndarray:
    video = cv2.VideoCapture(str(path))
    frames = []
    while (step := video.read())[0]:
        frames.append(step[1])
    return np.stack(frames)


def test_labels_cover_the_testing_clips_end_to_end(tmp_path: Path) -> None:
    summary = synthesize(config(tmp_path / "set"))
    labels = np.load(tmp_path / "set" / "frame_labels.npy")
    videos = sorted((tmp_path / "set" / "testing" / "videos").iterdir())
    assert [video.name for video in videos] == ["01.mp4", "02.mp4", "03.mp4"]
    assert sum(len(read(video)) for video in videos) == len(labels) == 180
    assert summary.abnormal == labels.sum()
    for part in labels.reshape(3, 60):
        assert 0 < part.sum() < 60


def test_the_same_seed_draws_the_same_pixels(tmp_path: Path) -> None:
    for name in ("a", "b"):
        synthesize(config(tmp_path / name, seed=7))
    synthesize(config(tmp_path / "c", seed=8))
    first, same, other = (read(tmp_path / name / "testing" / "videos" / "01.mp4") for name in "abc")
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


@pytest.mark.parametrize("event", [None, *EVENTS])
def test_only_clips_with_an_event_have_abnormal_frames(event: Event | None) -> None:
    rng = np.random.default_rng(0)
    scene = background((64, 96), rng)
    frames, abnormal = clip(scene, 80, event, View(aspect=1.5), rng)
    assert len(list(frames)) == len(abnormal) == 80
    runs = np.count_nonzero(np.diff([0, *map(int, abnormal), 0]) == 1)
    assert runs == (0 if event is None else 2)


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(SourceError, match="expected a new or empty folder"):
        synthesize(config(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_clips_too_short_for_an_event_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--frames: found 10, expected at least 40"):
        config(tmp_path, frames=10)
