"""A manifest that is read is one that holds together."""

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shards.errors import CorruptShardError, ShardError
from shards.manifest import MANIFEST, Manifest, load_manifest
from shards.storage import Storage
from tests.helpers.shards import make_set, random_frames


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    videos = {"training": [random_frames(70)], "testing": [random_frames(6, seed=1)]}
    return folder, make_set(folder, videos, labels=[[0, 0, 1, 1, 0, 1]], shard_bytes=30_000)


def load_changed(tmp_path_factory, record) -> Manifest:
    folder = tmp_path_factory.mktemp("changed")
    (folder / MANIFEST).write_text(json.dumps(record))
    return load_manifest(Storage(folder))


def test_a_manifest_reads_back_as_it_was_written(written):
    folder, manifest = written
    assert load_manifest(Storage(folder)) == manifest
    assert load_manifest(Storage(folder)).to_json() == (folder / MANIFEST).read_bytes()
    assert manifest.split("testing")[0].labels.tolist() == [False, False, True, True, False, True]
    assert manifest.split("training")[0].labels is None


def test_a_pinned_manifest_is_refused_before_it_is_parsed(written, tmp_path):
    manifest = load_manifest(Storage(written[0]))
    assert load_manifest(Storage(written[0]), manifest.digest) == manifest
    (tmp_path / MANIFEST).write_text("[" * 100_000)
    with pytest.raises(ShardError, match=rf"found SHA-256 [0-9a-f]{{64}}, expected {manifest.digest}"):
        load_manifest(Storage(tmp_path), manifest.digest)


def test_a_set_without_a_manifest_is_incomplete(tmp_path):
    with pytest.raises(ShardError, match=r"manifest.json: not found; no shard set, or one that preprocess"):
        load_manifest(Storage(tmp_path))


def test_another_version_is_refused(written, tmp_path_factory):
    record = json.loads((written[0] / MANIFEST).read_bytes())
    with pytest.raises(ShardError, match="found 'mnad-shards' version 9, expected 'mnad-shards' version 2"):
        load_changed(tmp_path_factory, record | {"version": 9})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b"\xff\xfe", b"{}"])
def test_what_is_no_manifest_is_refused(tmp_path, content):
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
        (["videos", 0, "frames"], 6.0),
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
def test_a_manifest_that_contradicts_itself_is_refused(written, tmp_path_factory, where, value):
    record = json.loads((written[0] / MANIFEST).read_bytes())
    part = record
    for step in where[:-1]:
        part = part[step]
    assert repr(part[where[-1]]) != repr(value)
    part[where[-1]] = value
    with pytest.raises(ShardError, match=r"manifest\.json"):
        load_changed(tmp_path_factory, record)


def paths(part, prefix=()):
    if prefix:
        yield prefix
    children = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, child in children:
        yield from paths(child, (*prefix, key))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_no_change_to_a_manifest_makes_anything_but_a_manifest_or_a_clear_error(
    written, tmp_path_factory, data
):
    record = json.loads((written[0] / MANIFEST).read_bytes())
    record = copy.deepcopy(record)
    *parents, last = data.draw(st.sampled_from(list(paths(record))))
    part = record
    for step in parents:
        part = part[step]
    junk = st.sampled_from([None, -1, 0, 1, 10**20, 0.5, "x", "", [], [1], {}, True])
    if data.draw(st.booleans()):
        part[last] = data.draw(junk)
    else:
        del part[last]
    try:
        manifest = load_changed(tmp_path_factory, record)
    except ShardError as error:
        assert "manifest.json" in str(error)
        assert "\n" not in str(error)
    else:
        for split in ("training", "testing"):
            manifest.segments(split, manifest.window)


def test_a_corrupt_manifest_says_so(written, tmp_path_factory):
    record = json.loads((written[0] / MANIFEST).read_bytes())
    del record["videos"][0]["frames"]
    with pytest.raises(CorruptShardError, match="preprocess again"):
        load_changed(tmp_path_factory, record)
