"""No byte becomes a frame unless it is the byte that was written."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shards.codecs import Codec
from shards.digests import digest_of
from shards.errors import CorruptShardError, ShardError
from shards.manifest import Manifest
from shards.reader import SegmentReader
from shards.storage import Storage
from tests.helpers.shards import make_set, random_frames

FRAMES = random_frames(70, seed=3)
CODECS = [Codec(), Codec(name="deflate"), Codec(name="jpeg", quality=90)]


def read_all(folder: Path, manifest: Manifest) -> list[np.ndarray]:
    reader = SegmentReader(Storage(folder), manifest)
    return [reader.read(located) for located in manifest.segments("training", 5)]


@pytest.mark.parametrize("codec", CODECS[:2], ids=lambda codec: codec.name)
def test_segments_are_the_frames_that_were_written(tmp_path: Path, codec: Codec) -> None:
    manifest = make_set(tmp_path, {"training": [FRAMES]}, codec=codec)
    read = read_all(tmp_path, manifest)
    assert [len(frames) for frames in read] == [36, 36, 6]
    for located, frames in zip(manifest.segments("training", 5), read, strict=True):
        first = located.segment.first
        assert np.array_equal(frames, FRAMES[first : first + len(frames)])


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 0.999), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(tmp_path: Path, codec: Codec, place: float, bit: int) -> None:
    manifest = make_set(tmp_path, {"training": [FRAMES[:20]]}, codec=codec)
    (shard,) = tmp_path.glob("*.tar")
    data = bytearray(shard.read_bytes())
    data[int(place * manifest.videos[0].shards[0].segments[0].size)] ^= 1 << bit
    shard.write_bytes(data)
    with pytest.raises(CorruptShardError, match="digest"):
        read_all(tmp_path, manifest)


def test_a_segment_is_checked_once_and_again_when_its_file_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = make_set(tmp_path, {"training": [FRAMES]})
    reader, segments = SegmentReader(Storage(tmp_path), manifest), manifest.segments("training", 5)
    made: list[str] = []

    def counted(pieces: Sequence[memoryview]) -> str:
        made.append(digest_of(pieces))
        return made[-1]

    monkeypatch.setattr("shards.reader.digest_of", counted)
    for _ in range(3):
        for located in segments:
            reader.read(located)
    assert made == [located.segment.digest for located in segments]

    (shard,) = tmp_path.glob("*.tar")
    data = bytearray(shard.read_bytes())
    last = segments[2].segment
    data[last.offset + last.size // 2] ^= 1
    shard.write_bytes(data)
    os.utime(shard, ns=(1, 1))  # the clock of a file system may stand still for 4 ms
    reader.read(segments[0])  # checked again, and is as it was
    assert len(made) == 4
    with pytest.raises(CorruptShardError, match="damaged or replaced"):
        reader.read(segments[2])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 0.98))
def test_any_truncation_is_found(tmp_path: Path, place: float) -> None:
    manifest = make_set(tmp_path, {"training": [FRAMES]})
    (shard,) = tmp_path.glob("*.tar")
    os.truncate(shard, int(place * (shard.stat().st_size - 1024)))
    with pytest.raises(CorruptShardError, match="the shard is truncated"):
        read_all(tmp_path, manifest)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"training": [FRAMES]})
    (shard,) = tmp_path.glob("*.tar")
    shard.unlink()
    with pytest.raises(ShardError, match=rf"{shard.name}: not found, though the manifest lists it"):
        read_all(tmp_path, manifest)


def test_a_shard_that_is_no_file_is_named(tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"training": [FRAMES]})
    (shard,) = tmp_path.glob("*.tar")
    shard.unlink()
    shard.mkdir()
    with pytest.raises(ShardError, match=rf"{shard.name}: .*cannot be read: Is a directory"):
        read_all(tmp_path, manifest)


@pytest.mark.parametrize("wrong", CODECS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("right", CODECS, ids=lambda codec: codec.name)
def test_a_manifest_with_another_codec_is_found_out(tmp_path: Path, right: Codec, wrong: Codec) -> None:
    manifest = make_set(tmp_path, {"training": [FRAMES[:10]]}, codec=right)
    if right != wrong:
        with pytest.raises(CorruptShardError):
            read_all(tmp_path, dataclasses.replace(manifest, codec=wrong))


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_a_manifest_with_another_geometry_is_found_out(tmp_path: Path, codec: Codec) -> None:
    manifest = make_set(tmp_path, {"training": [FRAMES[:10]]}, codec=codec)
    for height, width in ((8, 32), (16, 15), (17, 16), (1024, 1024)):
        geometry = dataclasses.replace(manifest.geometry, height=height, width=width)
        with pytest.raises(CorruptShardError):
            read_all(tmp_path, dataclasses.replace(manifest, geometry=geometry))
