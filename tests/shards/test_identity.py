"""The identity of a split changes with its frames, and with nothing else."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shards.choices import Split
from shards.codecs import Codec
from shards.entries import Segment, Shard, Video
from shards.identity import split_identity, video_identities
from shards.manifest import MANIFEST, Manifest, load_manifest
from shards.rows import Videos
from shards.storage import Storage
from tests.helpers.shards import make_set, random_frames

NUMBERS = ("first", "frames", "windows", "channels")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    videos: dict[Split, list[np.ndarray]] = {
        "training": [random_frames(70), random_frames(8, seed=2)],
        "testing": [random_frames(6, seed=1)],
    }
    return make_set(tmp_path_factory.mktemp("set"), videos, labels=[[0, 0, 1, 1, 0, 1]])


def with_videos(manifest: Manifest, videos: Sequence[Video]) -> Manifest:
    return dataclasses.replace(manifest, videos=Videos.of(videos))


def changed(manifest: Manifest, split: Split, change: Callable[[Video], Video]) -> Manifest:
    """With the first video of a split changed."""
    first = manifest.split(split)[0]
    return with_videos(manifest, [change(video) if video == first else video for video in manifest.videos])


def with_segments(manifest: Manifest, **fields: Callable[[Any], Any]) -> Manifest:
    """With fields of the first training video's segments changed, in a shard of another name."""

    def other(segment: Segment) -> Segment:
        return dataclasses.replace(
            segment, **{n: change(getattr(segment, n)) for n, change in fields.items()}
        )

    def moved(video: Video) -> Video:
        segments = tuple(other(segment) for shard in video.shards for segment in shard.segments)
        return dataclasses.replace(video, shards=(Shard(name="other", bytes=9, segments=segments),))

    return changed(manifest, "training", moved)


def test_what_other_splits_people_and_places_add_makes_no_difference(made: Manifest) -> None:
    expected = split_identity(made, "training")
    testing = made.split("testing")[0]
    for other in (
        changed(made, "testing", lambda video: dataclasses.replace(video, abnormal=((0, 3),))),
        changed(made, "testing", lambda video: dataclasses.replace(video, abnormal=None, label_source=None)),
        with_videos(made, (*made.videos, dataclasses.replace(testing, name="02"))),
        with_videos(made, list(made.split("training"))),
        dataclasses.replace(made, dataset="ped2", digest="0" * 64),
        changed(made, "training", lambda video: dataclasses.replace(video, source={"bytes": 1})),
        with_segments(made, offset=lambda offset: offset + 512),
    ):
        assert split_identity(other, "training") == expected


def test_every_change_of_the_frames_makes_another(made: Manifest) -> None:
    variants = [
        made,
        with_segments(made, digest=lambda digest: digest[1:] + digest[:1]),
        *(with_segments(made, **{name: lambda value: value + 1}) for name in NUMBERS),
        changed(made, "training", lambda video: dataclasses.replace(video, name="0")),
        changed(made, "training", lambda video: dataclasses.replace(video, frames=69)),
        changed(made, "training", lambda video: dataclasses.replace(video, shards=())),
        with_videos(made, made.videos[::-1]),
        with_videos(made, made.videos[:-1]),
        dataclasses.replace(made, window=4),
        dataclasses.replace(made, codec=Codec(name="deflate")),
        dataclasses.replace(made, geometry=dataclasses.replace(made.geometry, scale=255.0)),
    ]
    assert len({split_identity(manifest, "training") for manifest in variants}) == len(variants)


def test_the_digest_is_that_of_the_bytes_that_were_parsed(tmp_path: Path) -> None:
    made = make_set(tmp_path, {"training": [random_frames(8)]})
    loaded = load_manifest(Storage(tmp_path))
    assert loaded.digest == hashlib.sha256((tmp_path / MANIFEST).read_bytes()).hexdigest()
    assert loaded == made
    assert loaded.to_json() == (tmp_path / MANIFEST).read_bytes()
    (tmp_path / MANIFEST).write_bytes((tmp_path / MANIFEST).read_bytes() + b"\n")
    assert load_manifest(Storage(tmp_path)).digest != loaded.digest  # the same set in other bytes


def test_videos_have_the_same_identity_in_blocks_of_any_size(
    made: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = video_identities(made, "training")
    assert len(set(expected)) == 2
    monkeypatch.setattr("shards.identity._ROWS", 1)
    assert video_identities(made, "training") == expected
