"""The shards are what a stock reader of such tars expects, and the same bytes every time."""

import gc
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset

from shards.choices import CodecName
from shards.codecs import Codec
from shards.entries import Segment, Video
from shards.manifest import Manifest
from tests.helpers.shards import make_set, random_frames, set_bytes

# The stock reader leaves closing its files to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

COLOUR, GRAY = random_frames(70, seed=3), random_frames(40, seed=4, gray=True)


def stock_records(folder: Path, decoder: str | None = None) -> dict[str, dict[str, Any]]:
    """All records, as a stock pipeline with default decoders reads them."""
    urls = sorted(str(path) for path in folder.glob("*.tar"))
    dataset = webdataset.WebDataset(urls, shardshuffle=False, empty_check=False)
    decoded = dataset.decode(decoder) if decoder else dataset.decode()
    records = {record["__key__"]: record for record in decoded}
    gc.collect()
    return records


def segments(manifest: Manifest) -> Iterator[tuple[Video, Segment]]:
    for video in manifest.videos:
        for shard in video.shards:
            for segment in shard.segments:
                yield video, segment


@pytest.mark.parametrize("codec", ["raw", "deflate"])
def test_a_stock_webdataset_pipeline_reads_frames_and_metadata(tmp_path: Path, codec: CodecName) -> None:
    manifest = make_set(tmp_path, {"training": [COLOUR, GRAY]}, codec=Codec(name=codec), shard_bytes=30_000)
    records = stock_records(tmp_path)
    rows = list(segments(manifest))
    assert sorted(records) == sorted(segment.key for _, segment in rows)
    for video, segment in rows:
        record = records[segment.key]
        source = COLOUR if video.name == "01" else GRAY[..., :1]
        frames = record["npy" if codec == "raw" else "npy.gz"]
        assert frames.dtype == np.uint8
        assert np.array_equal(frames, source[segment.first : segment.first + segment.frames])
        assert record["json"] == {
            "channels": segment.channels,
            "first": segment.first,
            "frames": segment.frames,
            "video": video.name,
        }


def test_a_stock_webdataset_pipeline_reads_jpeg_frames(tmp_path: Path) -> None:
    ramp = np.linspace(0, 200, 40 * 32 * 32).reshape(40, 32, 32, 1).astype(np.uint8).repeat(3, axis=3)
    ramp[..., 0] //= 2
    manifest = make_set(tmp_path, {"training": [ramp]}, codec=Codec(name="jpeg", quality=95))
    records = stock_records(tmp_path, "rgb8")
    for _, segment in segments(manifest):
        record = records[segment.key]
        for index in range(segment.frames):
            rgb = record[f"{index:04d}.jpg"]
            wanted = ramp[segment.first + index, ..., ::-1]
            assert rgb.dtype == np.uint8
            assert np.abs(rgb.astype(int) - wanted).max() <= 8


@pytest.mark.parametrize("codec", [Codec(), Codec(name="deflate"), Codec(name="jpeg", quality=90)])
def test_the_same_frames_give_the_same_bytes(tmp_path: Path, codec: Codec) -> None:
    for folder in ("one", "two"):
        make_set(tmp_path / folder, {"training": [COLOUR, GRAY]}, codec=codec)
    assert set_bytes(tmp_path / "one") == set_bytes(tmp_path / "two")


def test_tar_members_carry_nothing_of_the_machine_or_the_hour(tmp_path: Path) -> None:
    make_set(tmp_path, {"training": [COLOUR]})
    paths = list(tmp_path.glob("*.tar"))
    assert paths
    for path in paths:
        with tarfile.open(path) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")
                assert member.mode == 0o644
                assert "." not in member.name.partition(".")[0]


def test_offsets_in_the_manifest_are_those_of_the_tar(tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"training": [COLOUR]}, shard_bytes=30_000)
    for video in manifest.videos:
        assert len(video.shards) == 2
        for shard in video.shards:
            assert (tmp_path / shard.name).stat().st_size == shard.bytes
            with tarfile.open(tmp_path / shard.name) as tar:
                starts = {m.name.partition(".")[0]: m.offset for m in reversed(tar.getmembers())}
            assert starts == {segment.key: segment.offset for segment in shard.segments}
