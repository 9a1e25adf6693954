"""What is brought into a set: videos that are told apart by their names, and none that is too long."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.preprocess import work
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.decode import _part
from pipeline.preprocess.jobs import MOST_FRAMES, MOST_PART_BYTES, Part, job_from_json, part_name
from pipeline.preprocess.partfiles import part_from_json
from pipeline.preprocess.run import preprocess
from pipeline.preprocess.sources.source import Source, list_tree
from pipeline.preprocess.sources.videos import SourceVideo
from pipeline.preprocess.tasks import task_of
from shards.entries import Segment, Shard, Video
from shards.errors import CorruptShardError
from shards.limits import SEGMENT_WINDOWS
from shards.names import record_key, shard_name, video_stem
from shards.storage import Storage
from tests.helpers.videos import scene, write_images, write_video

ALIKE = tuple(f"building-2/floor-3/entrance-north-camera/2024/{hour}" for hour in ("031/1266", "072/0835"))
"""Names of videos whose files would be called alike."""


def config(root: Path) -> PreprocessConfig:
    return PreprocessConfig(
        source=str(root / "source"), shards=str(root / "shards"), size=(16, 16), workers=1
    )


def videos(root: Path) -> list[SourceVideo]:
    return list(recognise(list_tree(str(root / "source")), "auto", "training").videos)


def test_videos_whose_files_would_be_called_alike_are_refused_before_anything_is_decoded(
    tmp_path: Path,
) -> None:
    stem = video_stem("training", ALIKE[0])
    assert video_stem("training", ALIKE[1]) == stem
    for name in ALIKE:
        write_images(tmp_path / "source" / name, scene(6, size=(16, 16)))
    words = f"found videos training/.* and training/.*, whose shards would both be called {stem}, .*; rename"
    with pytest.raises(SourceError, match=words):
        preprocess(config(tmp_path))
    assert not (tmp_path / "shards" / "parts").exists()
    later = tmp_path / "later"
    (tmp_path / "source" / ALIKE[1]).rename(later)
    assert preprocess(config(tmp_path)).done == 1
    later.rename(tmp_path / "source" / ALIKE[1])
    with pytest.raises(SourceError, match=words):
        preprocess(config(tmp_path))


def long_part(frames: int) -> Part:
    """A video of the longest names and segments of a 4K frame, of so many frames."""
    stem = video_stem("training", "a" * 40 + "b")
    size, digest = 36 * 3840 * 2160 * 3, "f" * 64
    segments = tuple(
        Segment(
            key=record_key(stem, first),
            offset=number * size,
            size=size,
            digest=digest,
            first=first,
            frames=36,
            windows=SEGMENT_WINDOWS,
            channels=3,
        )
        for number, first in enumerate(range(MOST_FRAMES - frames, MOST_FRAMES, SEGMENT_WINDOWS))
    )
    shard = Shard(name=shard_name(stem, 9999, digest), bytes=1 << 50, segments=segments)
    return Part(video=Video(name="a", split="training", frames=frames, source={}, shards=(shard,)), stamp="x")


def test_the_record_of_the_longest_video_fits_into_a_part_file() -> None:
    few, more = (len(long_part(frames).to_json()) for frames in (320, 32_000))
    assert (more - few) / (32_000 - 320) * MOST_FRAMES < MOST_PART_BYTES


@pytest.mark.parametrize("name", ["a.mp4", "a"])
def test_a_video_that_is_too_long_is_said_to_be(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST_FRAMES", 5)
    made = write_video if name == "a.mp4" else write_images
    made(tmp_path / "source" / name, scene(6, size=(16, 16)))
    (video,) = videos(tmp_path)
    job = task_of(config(tmp_path), Source(str(tmp_path / "source")), video, "decode").job
    with pytest.raises(SourceError, match="found a video of about 6 frames, expected at most 5; cut it into"):
        work.process_video(job_from_json(job), lambda *_: None)


def test_a_part_file_is_read_however_long_it_is_and_not_for_another_video(tmp_path: Path) -> None:
    write_images(tmp_path / "source" / "a", scene(6, size=(16, 16)))
    (video,) = videos(tmp_path)
    job = job_from_json(
        task_of(config(tmp_path), Source(str(tmp_path / "source")), video, "decode", waits=True).job
    )
    done = work.process_video(job, lambda *_: None)
    storage = Storage(tmp_path / "shards")
    assert _part(storage, video, None) == done
    assert part_from_json(done.to_json() + b" " * (33 << 20), "x") == done  # as those of long videos
    other = replace(done, video=replace(done.video, name="b"))
    storage.write(part_name(*video.key), other.to_json())
    with pytest.raises(CorruptShardError):
        _part(storage, video, None)
