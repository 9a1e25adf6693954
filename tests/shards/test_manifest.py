"""A manifest that is read is one that holds together."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.choices import SPLITS, Split
from shards.errors import CorruptShardError, ShardError
from shards.manifest import MANIFEST, Manifest, load_manifest, write_manifest
from shards.storage import Storage
from shards.tables import TABLES
from tests.helpers.forged import record_of, write_batch, write_bytes, write_record
from tests.helpers.mutation import mutated_bytes, mutated_json
from tests.helpers.shards import make_set, random_frames


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("set")
    videos: dict[Split, list[np.ndarray]] = {
        "training": [random_frames(70)],
        "testing": [random_frames(6, seed=1)],
    }
    return folder, make_set(folder, videos, labels=[[0, 0, 1, 1, 0, 1]], shard_bytes=30_000)


def load_changed(tmp_path_factory: pytest.TempPathFactory, record: Any) -> Manifest:
    folder = tmp_path_factory.mktemp("changed")
    write_record(folder, record)
    return load_manifest(Storage(folder))


def test_a_manifest_reads_back_as_it_was_written(written: tuple[Path, Manifest]) -> None:
    folder, manifest = written
    assert load_manifest(Storage(folder)) == manifest
    assert load_manifest(Storage(folder)).to_json() == (folder / MANIFEST).read_bytes()
    labels = manifest.split("testing")[0].labels
    assert labels is not None
    assert labels.tolist() == [False, False, True, True, False, True]
    assert manifest.split("training")[0].labels is None


def test_a_pinned_manifest_is_refused_before_it_is_parsed(
    written: tuple[Path, Manifest], tmp_path: Path
) -> None:
    manifest = load_manifest(Storage(written[0]))
    assert load_manifest(Storage(written[0]), manifest.digest) == manifest
    (tmp_path / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(ShardError, match=rf"found SHA-256 [0-9a-f]{{64}}, expected {manifest.digest}"):
        load_manifest(Storage(tmp_path), manifest.digest)


def test_a_set_without_a_manifest_is_incomplete(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"manifest.json: not found; no shard set, or one that preprocess"):
        load_manifest(Storage(tmp_path))


def test_another_version_is_refused(
    written: tuple[Path, Manifest], tmp_path_factory: pytest.TempPathFactory
) -> None:
    record = record_of(written[1])
    with pytest.raises(ShardError, match="found 'mnad-shards' version 9, expected 'mnad-shards' version 3"):
        load_changed(tmp_path_factory, record | {"version": 9})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"{}"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(ShardError, match=r"manifest\.json"):
        load_manifest(Storage(tmp_path))


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (["window"], 6),
        (["window"], 0),
        (["window"], "5"),
        (["geometry", "height"], -1),
        (["geometry", "channels"], 4),
        (["geometry", "scale"], 0),
        (["codec", "name"], "zip"),
        (["videos", 0, "split"], "validation"),
        (["videos", 0, "frames"], 7),
        (["videos", 0, "abnormal"], [[4, 8]]),
        (["videos", 0, "abnormal"], [[3, 3]]),
        (["videos", 1, "shards", 0, "name"], "../other.tar"),
        (["videos", 1, "shards", 0, "bytes"], 3),
        (["videos", 1, "shards", 0, "segments", 0, "offset"], -512),
        (["videos", 1, "shards", 0, "segments", 0, "size"], 10**12),
        (["videos", 1, "shards", 0, "segments", 0, "frames"], 35),
        (["videos", 1, "shards", 1, "segments", 0, "first"], 31),
        (["videos", 1, "shards", 1, "segments", 0, "first"], 33),
        (["videos", 1, "shards", 1, "segments"], []),
        (["videos", 1, "shards"], []),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    written: tuple[Path, Manifest],
    tmp_path_factory: pytest.TempPathFactory,
    where: list[str | int],
    value: object,
) -> None:
    record = record_of(written[1])
    part: Any = record
    for step in where[:-1]:
        part = part[step]
    assert repr(part[where[-1]]) != repr(value)
    part[where[-1]] = value
    with pytest.raises(ShardError, match=r"(manifest\.json|\.arrows): "):
        load_changed(tmp_path_factory, record)


NESTED = ("shards", "segments")
"""Tables of their own, which a table of the videos cannot lack."""


def paths(part: object, prefix: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if prefix:
        yield prefix
    children = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, child in children:
        yield from paths(child, (*prefix, key))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_change_to_a_row_makes_anything_but_a_manifest_or_a_clear_error(
    written: tuple[Path, Manifest], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    record = record_of(written[1])
    rows = [path for path in paths(record) if isinstance(path[-1], str) and path[-1] not in NESTED]
    *parents, last = data.draw(st.sampled_from(rows))
    part: Any = record
    for step in parents:
        part = part[step]
    junk: st.SearchStrategy[object] = st.sampled_from(
        [None, -1, 0, 1, 10**20, 0.5, "x", "", [], [1], {}, True]
    )
    if data.draw(st.booleans()) or last == "videos":
        part[last] = [] if last == "videos" else data.draw(junk)
    else:
        del part[last]
    read_or_refused(tmp_path_factory.mktemp("changed"), lambda folder: write_record(folder, record))


def read_or_refused(folder: Path, write: Callable[[Path], object]) -> None:
    """What is written loads and can be gone through, or is one line."""
    write(folder)
    try:
        manifest = load_manifest(Storage(folder))
        for split in SPLITS:
            list(manifest.split(split))
            list(manifest.segments(split, manifest.window))
            list(manifest.segments(split, 1))
    except ShardError as error:
        assert str(folder) in str(error)
        assert "\n" not in str(error)


def copied(written: Path, folder: Path) -> Path:
    for path in (*written.glob("*.arrows"), written / MANIFEST):
        shutil.copyfile(path, folder / path.name)
    return folder


def test_what_a_manifest_names_has_its_name_on_the_disk_before_it(
    written: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = load_manifest(Storage(copied(written[0], tmp_path)))  # whose tables need not be written
    happened: list[Path] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        happened.append(Path(f"/proc/self/fd/{descriptor}").resolve())
        fsync(descriptor)

    def replaced(path: Path, target: Path) -> Path:
        happened.append(target)
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_manifest(Storage(tmp_path), manifest)
    assert tmp_path in happened[: happened.index(tmp_path / MANIFEST)]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_change_to_the_file_makes_anything_but_a_manifest_or_a_clear_error(
    written: tuple[Path, Manifest], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    good = (written[0] / MANIFEST).read_bytes()
    bad = data.draw(mutated_json(json.loads(good)) | mutated_bytes(good))
    read_or_refused(
        copied(written[0], tmp_path_factory.mktemp("changed")),
        lambda folder: (folder / MANIFEST).write_bytes(bad),
    )


@settings(max_examples=300, deadline=None)
@given(data=st.data(), table=st.sampled_from(TABLES))
def test_no_bytes_of_a_table_make_anything_but_a_manifest_or_a_clear_error(
    written: tuple[Path, Manifest], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, table: str
) -> None:
    """Even with the digest that they should have."""
    good = next(written[0].glob(f"{table}-*")).read_bytes()
    bad = data.draw(mutated_bytes(good))

    def write(folder: Path) -> None:
        record = json.loads((folder / MANIFEST).read_bytes())
        rows = record["parts"][0][table]["rows"]
        record["parts"][0][table] = write_bytes(folder, table, bad, rows)
        (folder / MANIFEST).write_text(json.dumps(record))

    read_or_refused(copied(written[0], tmp_path_factory.mktemp("changed")), write)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_other_bytes_or_of_none_is_refused(
    written: tuple[Path, Manifest], tmp_path: Path, table: str
) -> None:
    path = next(copied(written[0], tmp_path).glob(f"{table}-*"))
    data = bytearray(path.read_bytes())
    for wrong in (data[:-8], data + bytes(8), data[:400] + bytes([data[400] ^ 1]) + data[401:]):
        path.write_bytes(wrong)
        with pytest.raises(CorruptShardError, match=rf"{path.name}: found .*; run preprocess again"):
            load_manifest(Storage(tmp_path))
    path.unlink()
    with pytest.raises(ShardError, match=rf"{path.name}: not found, though the manifest lists it"):
        load_manifest(Storage(tmp_path))


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_table_is_refused_before_it_is_unpacked(
    written: tuple[Path, Manifest], tmp_path: Path, codec: str
) -> None:
    copied(written[0], tmp_path)
    record = json.loads((tmp_path / MANIFEST).read_bytes())
    batch = written[1].videos.parts[0].segments
    options = pa.ipc.IpcWriteOptions(compression=codec)
    record["parts"][0]["segments"] = write_batch(tmp_path, "segments", batch, options)
    (tmp_path / MANIFEST).write_text(json.dumps(record))
    with pytest.raises(CorruptShardError, match="is compressed"):
        load_manifest(Storage(tmp_path))


def test_an_earlier_version_is_read_by_its_digest(tmp_path: Path) -> None:
    first = make_set(tmp_path, {"training": [random_frames(8)]})
    second = make_set(tmp_path, {"training": [random_frames(8), random_frames(9)]})
    assert load_manifest(Storage(tmp_path)).digest == second.digest
    assert load_manifest(Storage(tmp_path), first.digest) == first
    (tmp_path / "versions" / f"{first.digest}.json").write_bytes(second.to_json())
    with pytest.raises(ShardError, match=f"expected {first.digest} as pinned"):
        load_manifest(Storage(tmp_path), first.digest)


def test_a_corrupt_manifest_says_so(
    written: tuple[Path, Manifest], tmp_path_factory: pytest.TempPathFactory
) -> None:
    record = record_of(written[1])
    del record["videos"][0]["frames"]
    with pytest.raises(CorruptShardError, match=r"gaps in the column frames; run preprocess again"):
        load_changed(tmp_path_factory, record)
