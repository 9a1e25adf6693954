"""Small videos share shards, whatever happens meanwhile; and who reads them does not notice."""

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.preprocess.jobs import PARTS
from pipeline.preprocess.run import preprocess
from shards.errors import CorruptShardError
from shards.identity import split_identity, video_identities
from shards.manifest import Manifest, load_manifest
from shards.packing import Packing, write_packing
from shards.storage import Storage
from shards.verify import verify
from tests.helpers.preprocessing import config
from tests.helpers.shards import random_frames, set_bytes, stored_frames
from tests.helpers.videos import write_images

NAMES = ("a", "b", "c", "d")
WRITE = "pipeline.preprocess.assembly.write_packing"


def images(source: Path, name: str, seed: int = 0) -> None:
    write_images(source / "training" / name, random_frames(9, (16, 16), seed=seed + ord(name[-1])))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    for name in NAMES:
        images(tmp_path / "source", name)
    write_images(tmp_path / "source" / "testing" / "t", random_frames(9, (16, 16)))
    return tmp_path / "source"


@pytest.fixture
def shards(source: Path, tmp_path: Path) -> Path:
    preprocess(config(source, tmp_path / "shards"))
    return tmp_path / "shards"


def tars(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.tar")}


def shards_of(manifest: Manifest) -> dict[str, str]:
    return {video.name: shard.name for video in manifest.videos for shard in video.shards}


def whole(shards: Path) -> Manifest:
    """The set's manifest, if nothing is wrong with it and nothing is left over."""
    manifest = load_manifest(Storage(shards))
    assert verify(Storage(shards), manifest, lambda video: None) == []
    assert Storage(shards).names(PARTS) == []
    return manifest


def test_videos_of_a_split_lie_in_one_shard_in_their_order(shards: Path) -> None:
    names = shards_of(whole(shards))
    assert len({names[name] for name in NAMES}) == 1
    assert tars(shards) == {*names.values()}
    with tarfile.open(shards / names["a"]) as tar:
        videos = [member.name.split("-")[1] for member in tar if member.name.endswith(".json")]
    assert videos == [*NAMES]
    for name in NAMES:
        expected = random_frames(9, (16, 16), seed=ord(name))
        np.testing.assert_array_equal(stored_frames(shards, "training", name), expected)


def test_a_video_more_moves_none_and_compact_gives_what_one_run_gives(
    source: Path, shards: Path, tmp_path: Path
) -> None:
    before = load_manifest(Storage(shards))
    images(source, "aa")
    images(source, "ab")
    assert preprocess(config(source, shards)).done == 2
    after = whole(shards)
    assert shards_of(after).items() > shards_of(before).items()
    assert shards_of(after)["aa"] == shards_of(after)["ab"] != shards_of(after)["a"]
    preprocess(config(source, tmp_path / "fresh"))
    fresh = whole(tmp_path / "fresh")
    assert split_identity(fresh, "training") == split_identity(after, "training")
    assert video_identities(fresh, "training") == video_identities(after, "training")
    assert preprocess(config(source, shards, compact=True)).done == 0
    assert set_bytes(shards) == set_bytes(tmp_path / "fresh")


def test_the_others_of_a_shard_go_on_in_a_new_one_when_a_video_changes_or_goes(
    source: Path, shards: Path, tmp_path: Path
) -> None:
    before = load_manifest(Storage(shards))
    shutil.rmtree(source / "training" / "b")
    shutil.rmtree(source / "training" / "c")
    images(source, "c", seed=7)
    assert preprocess(config(source, shards)).done == 1
    after = whole(shards)
    assert [video.name for video in after.split("training")] == ["a", "c", "d"]
    assert len({shards_of(after)[name] for name in "acd"}) == 1
    assert verify(Storage(shards), load_manifest(Storage(shards), before.digest), lambda video: None) == []
    preprocess(config(source, shards, compact=True))
    preprocess(config(source, tmp_path / "fresh"))
    assert set_bytes(shards) == set_bytes(tmp_path / "fresh")


def test_labels_move_no_record(source: Path, shards: Path) -> None:
    images(source.parent / "more", "x")
    shutil.copytree(source.parent / "more" / "training" / "x", source / "testing" / "x")
    preprocess(config(source, shards))
    before = shards_of(load_manifest(Storage(shards)))
    (source.parent / "labels.csv").write_text("video,start,end\nt,1,3\n")
    assert preprocess(config(source, shards, labels=str(source.parent / "labels.csv"))).done == 0
    assert shards_of(whole(shards)) == before


def test_one_video_alone_is_a_shard_of_its_own(source: Path, tmp_path: Path) -> None:
    for name in NAMES[1:]:
        shutil.rmtree(source / "training" / name)
    preprocess(config(source, tmp_path / "both"))
    shutil.rmtree(source / "testing")
    preprocess(config(source, tmp_path / "one"))
    assert tars(tmp_path / "one") == {shards_of(whole(tmp_path / "one"))["a"]} < tars(tmp_path / "both")
    whole(tmp_path / "both")


@pytest.mark.parametrize("killed_before", [0, 1])
def test_killed_while_packing_and_run_again_it_ends_with_the_same_bytes(
    source: Path, shards: Path, tmp_path: Path, killed_before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = 0

    def kill(storage: Storage, packing: Packing, place: Callable[[str], str]) -> None:
        nonlocal done
        if done == killed_before:
            raise KeyboardInterrupt
        write_packing(storage, packing, place)
        done += 1

    again = tmp_path / "again"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(WRITE, kill)
        preprocess(config(source, again))
    assert preprocess(config(source, again)).done == 0
    assert set_bytes(again) == set_bytes(shards)
    whole(again)


def test_bytes_that_changed_while_they_waited_become_no_part_of_a_set(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def harm(storage: Storage, packing: Packing, place: Callable[[str], str]) -> None:
        path = Path(storage.path(place(packing.records[0].shard)))
        data = bytearray(path.read_bytes())
        data[700] ^= 1
        path.write_bytes(data)
        write_packing(storage, packing, place)

    shards = tmp_path / "shards"
    with monkeypatch.context() as patch:
        patch.setattr(WRITE, harm)
        with pytest.raises(CorruptShardError, match="other bytes than were written; delete it") as caught:
            preprocess(config(source, shards))
    assert not (shards / "manifest.json").exists()
    Path(str(caught.value).split(": ")[0]).unlink()
    assert preprocess(config(source, shards)).done == 1
    whole(shards)


@pytest.mark.parametrize("suffix", [".tar", ".part.json"])
@pytest.mark.parametrize("left", [None, 0, 0.5], ids=["gone", "empty", "half"])
def test_what_a_loss_of_power_leaves_of_a_waiting_video_is_made_again(
    source: Path,
    shards: Path,
    tmp_path: Path,
    suffix: str,
    left: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def cut_off(storage: Storage, packing: Packing, place: Callable[[str], str]) -> None:
        raise KeyboardInterrupt

    again = tmp_path / "again"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(WRITE, cut_off)
        preprocess(config(source, again))
    harmed = sorted(path for path in (again / PARTS).iterdir() if path.name.endswith(suffix))[1]
    if left is None:
        harmed.unlink()
    else:
        harmed.write_bytes(harmed.read_bytes()[: int(harmed.stat().st_size * left)])
    assert preprocess(config(source, again)).done == 1
    assert set_bytes(again) == set_bytes(shards)
    whole(again)
