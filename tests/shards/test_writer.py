import io
from pathlib import Path

import numpy as np
import pytest
import webdataset

from shards import steady
from shards.choices import SPLITS
from shards.codecs import Codec
from shards.digests import digest_of
from shards.names import video_stem
from shards.records import END_OF_TAR, record
from shards.storage import Storage
from shards.writer import write_video
from tests.helpers.shards import drawn, random_frames

SIZE = 16, 24
GRAY_AND_COLOUR = np.random.default_rng(0).integers(0, 256, (40, *SIZE, 3), np.uint8)


def test_records_are_the_bytes_that_webdataset_writes() -> None:
    members = {"npy": b"x" * 1000, "json": b"{}", "0001.jpg": b"y" * 512}
    buffer = io.BytesIO()
    writer = webdataset.TarWriter(buffer, user="", group="", mode=0o644, mtime=0, encoder=False)
    writer.write({"__key__": "training-a-00000000", **members})
    writer.close()
    made = b"".join(record("training-a-00000000", {name: [data] for name, data in members.items()}))
    assert buffer.getvalue()[: len(made)] == made
    assert not any(buffer.getvalue()[len(made) :])


def test_stems_are_plain_short_and_different_for_names_that_look_alike() -> None:
    names = ["a.b", "a b", "a/b", "ä", "x" * 300, "x" * 299, "\udcff"]
    stems = [video_stem(split, name) for split in SPLITS for name in names]
    assert len(set(stems)) == len(stems)
    assert all(stem.isascii() and "." not in stem and len(stem) < 64 for stem in stems)


@pytest.mark.parametrize("codec", [Codec(), Codec(name="deflate"), Codec(name="jpeg", quality=90)], ids=str)
def test_the_same_frames_give_the_same_bytes(codec: Codec, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    written = [
        write_video(Storage(folder), "training", "v", drawn(GRAY_AND_COLOUR), SIZE, window=5, codec=codec)
        for folder in folders
    ]
    assert written[0] == written[1]
    for shard in written[0][1]:
        assert (folders[0] / shard.name).read_bytes() == (folders[1] / shard.name).read_bytes()


def test_a_long_video_goes_on_in_the_next_shard(tmp_path: Path) -> None:
    count, shards = write_video(
        Storage(tmp_path),
        "testing",
        "v",
        drawn(np.tile(GRAY_AND_COLOUR, (3, 1, 1, 1))),
        SIZE,
        window=5,
        codec=Codec(),
        shard_bytes=50_000,
    )
    assert count == 120
    assert [shard.name.split("-")[-2] for shard in shards] == ["0000", "0001"]
    assert [s.first for shard in shards for s in shard.segments] == [0, 32, 64, 96]
    assert all((tmp_path / shard.name).stat().st_size == shard.bytes for shard in shards)


def test_what_is_stored_does_not_depend_on_how_it_reaches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colour = random_frames(80, SIZE)
    changing = np.concatenate([colour[:33], random_frames(70, SIZE, gray=True), colour[33:]])
    stored = []
    for name, least in (("direct", 1), ("cached", 1 << 40)):
        monkeypatch.setattr(steady, "LEAST_DIRECT", least)
        storage = Storage(tmp_path / name)
        _, shards = write_video(storage, "testing", "v", drawn(changing), SIZE, window=5, codec=Codec())
        stored.append([storage.read(shard.name, most=1 << 30) for shard in shards])
        for shard, data in zip(shards, stored[-1], strict=True):
            records = [data[s.offset : s.offset + s.size] for s in shard.segments]
            assert [digest_of([record]) for record in records] == [s.digest for s in shard.segments]
            assert data == b"".join(records) + END_OF_TAR
    assert {s.channels for s in shards[0].segments} == {1, 3}
    assert stored[0] == stored[1]
