"""Source and shards in a real object store."""

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import fs

from pipeline.errors import ShardError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from shards.manifest import MANIFEST, load_manifest
from shards.storage import Storage
from shards.verify import verify
from tests.helpers import datasets
from tests.helpers.objectstore import ObjectStore, object_store
from tests.helpers.servers import KEY, SECRET

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("source")
    return datasets.shanghaitech(root)  # has videos, images, labels and masks


def config(source: object, shards: object, **options: Any) -> PreprocessConfig:
    return PreprocessConfig(**{"source": str(source), "shards": str(shards), "size": (16, 16), **options})


def local(shards: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in shards.iterdir() if path.suffix in (".tar", ".npz")}


def test_a_bucket_in_and_a_bucket_out_give_the_bytes_of_local_folders(
    store: ObjectStore, source: Path, tmp_path: Path
) -> None:
    fs.copy_files(
        str(source),
        "tests/source",
        source_filesystem=fs.LocalFileSystem(),
        destination_filesystem=store.files(),
    )
    expected = preprocess(config(source, tmp_path / "shards"))
    remote = config(store.location("source"), store.location("shards"), workers=2)
    summary = preprocess(remote)
    assert summary.manifest == expected.manifest
    storage = Storage(store.location("shards"))
    assert {name: storage.read(name, most=1 << 30) for name in local(tmp_path / "shards")} == local(
        tmp_path / "shards"
    )
    assert storage.read(MANIFEST, most=1 << 30) == (tmp_path / "shards" / MANIFEST).read_bytes()
    assert verify(storage, load_manifest(storage), lambda video: None) == []
    assert preprocess(remote).done == 0
    for name in storage.names():
        if not name.endswith((".tar", ".npz")):
            assert KEY.encode() not in storage.read(name, most=1 << 30), name
            assert SECRET.encode() not in storage.read(name, most=1 << 30), name


def test_single_remote_files_are_sources_and_labels(store: ObjectStore, source: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.zeros(datasets.FRAMES, int))
    for path in (tmp_path / "labels.npy", source / "training" / "videos" / "01_001.avi"):
        with store.files().open_output_stream(f"tests/single/{path.name}") as stream:
            stream.write(path.read_bytes())
    labels = store.location("single/labels.npy")
    one = config(store.location("single/01_001.avi"), tmp_path / "shards", split="testing", labels=labels)
    (video,) = preprocess(one).manifest.videos
    assert (video.name, video.abnormal) == ("01_001", ())
    assert "test-secret-key" not in (tmp_path / "shards" / "config.toml").read_text()


def test_a_lost_object_is_made_again_where_it_is_looked_for(store: ObjectStore, source: Path) -> None:
    target = config(source, store.location("again"))
    preprocess(target)
    storage = Storage(store.location("again"))
    victim = next(name for name in storage.names() if name.endswith(".tar"))
    before = storage.read(victim, most=1 << 30)
    storage.delete(victim)
    assert preprocess(target).done == 0  # a bucket is believed
    (problem,) = verify(storage, load_manifest(storage), lambda video: None)
    assert problem.endswith("not found, though the manifest lists it; run preprocess again with --recheck")
    again = preprocess(config(source, store.location("again"), recheck=True))
    assert again.done == sum(
        victim == shard.name for video in again.manifest.videos for shard in video.shards
    )
    assert storage.read(victim, most=1 << 30) == before


@pytest.mark.parametrize("folder", ["source", "shards"])
def test_credentials_appear_in_no_message(
    store: ObjectStore, source: Path, folder: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = store.location("private").replace("test-secret-key", "wrong-secret")
    locations = {"source": str(source), "shards": str(tmp_path / "shards"), folder: wrong}
    with pytest.raises(ShardError) as caught:
        preprocess(config(**locations))
    assert "tests/private" in str(caught.value)
    for text in (str(caught.value), caplog.text):
        assert "wrong-secret" not in text
        assert KEY not in text


def test_the_command_shows_no_credentials(store: ObjectStore, source: Path) -> None:
    target = store.location("command")
    done = subprocess.run(
        [sys.executable, "cli.py", "preprocess", str(source), target, "--size", "16"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "test-secret-key" not in done.stdout + done.stderr
