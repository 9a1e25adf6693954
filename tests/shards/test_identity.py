"""The identity of a split changes with its frames, and with nothing else."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shards.codec import Codec
from shards.identity import split_identity
from shards.manifest import MANIFEST, Manifest, Video, load_manifest
from shards.storage import Storage
from tests.helpers.shards import make_set, random_frames


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    videos = {
        "training": [random_frames(70), random_frames(8, seed=2)],
        "testing": [random_frames(6, seed=1)],
    }
    return make_set(tmp_path_factory.mktemp("set"), videos, labels=[[0, 0, 1, 1, 0, 1]])


def changed(manifest: Manifest, split: str, change: Callable[[Video], Video]) -> Manifest:
    """With the first video of a split changed."""
    first = manifest.split(split)[0]
    videos = [change(video) if video is first else video for video in manifest.videos]
    return dataclasses.replace(manifest, videos=tuple(videos))


def test_what_other_splits_and_people_add_makes_no_difference(made: Manifest) -> None:
    expected = split_identity(made, "training")
    testing = made.split("testing")[0]
    for other in (
        changed(made, "testing", lambda video: dataclasses.replace(video, abnormal=((0, 3),))),
        changed(made, "testing", lambda video: dataclasses.replace(video, abnormal=None, label_source=None)),
        dataclasses.replace(made, videos=(*made.videos, dataclasses.replace(testing, name="02"))),
        dataclasses.replace(made, videos=made.split("training")),
        dataclasses.replace(made, dataset="ped2", digest="0" * 64),
        changed(made, "training", lambda video: dataclasses.replace(video, source={"bytes": 1})),
    ):
        assert split_identity(other, "training") == expected


def other(value: object) -> object:
    return value + 1 if isinstance(value, int) else f"{value}x"


def other_shards(manifest: Manifest) -> Iterator[Manifest]:
    """With one thing changed that the manifest says of the first training shard or of its first segment."""
    (shard, *more) = manifest.split("training")[0].shards
    (segment, *rest) = shard.segments
    made = [
        dataclasses.replace(shard, segments=(dataclasses.replace(segment, **{field.name: value}), *rest))
        for field in dataclasses.fields(segment)
        for value in [other(getattr(segment, field.name))]
    ]
    made += [
        dataclasses.replace(shard, **{field.name: other(getattr(shard, field.name))})
        for field in dataclasses.fields(shard)
        if field.name != "segments"
    ]
    made.append(dataclasses.replace(shard, segments=tuple(rest)))
    for each in made:
        shards = (each, *more)
        yield changed(manifest, "training", lambda video, s=shards: dataclasses.replace(video, shards=s))


def test_every_change_of_the_frames_makes_another(made: Manifest) -> None:
    variants = [
        made,
        *other_shards(made),
        changed(made, "training", lambda video: dataclasses.replace(video, name="0")),
        changed(made, "training", lambda video: dataclasses.replace(video, frames=69)),
        dataclasses.replace(made, videos=made.videos[::-1]),
        dataclasses.replace(made, videos=made.videos[:-1]),
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
