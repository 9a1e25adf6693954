"""Whatever is wrong with a set is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from shards.entries import Video
from shards.manifest import load_manifest
from shards.storage import Storage
from shards.verify import verify
from tests.helpers import datasets


@pytest.fixture(scope="module", params=["raw", "deflate", "jpeg"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    datasets.ucsd(root / "source")
    preprocess(
        PreprocessConfig(
            source=str(root / "source"), shards=str(root / "shards"), size=(16, 16), codec=request.param
        )
    )
    return root / "shards"


def problems(folder: Path) -> list[str]:
    storage = Storage(folder)
    seen: list[Video] = []
    found = verify(storage, load_manifest(storage), seen.append)
    assert len(seen) == 5
    return found


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_a_whole_set_has_no_problems(whole: Path) -> None:
    assert problems(whole) == []


def test_size_and_end_of_a_shard_that_videos_share_are_asked_for_once(
    whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    size = Storage.size

    def counted(storage: Storage, name: str) -> int:
        asked.append(name)
        return size(storage, name)

    monkeypatch.setattr(Storage, "size", counted)
    assert problems(whole) == []
    shards = [shard.name for video in load_manifest(Storage(whole)).videos for shard in video.shards]
    assert sorted(set(shards)) == sorted(name for name in asked if name.endswith(".tar"))
    assert len(shards) > len(set(shards))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: flip(path, 700), "holds other bytes than were written"),
        (lambda path: flip(path, path.stat().st_size - 5), "does not end as a tar should"),
        (lambda path: path.write_bytes(path.read_bytes()[:-512]), "bytes, expected"),
        (lambda path: path.write_bytes(b""), "found 0 bytes, expected"),
        (Path.unlink, "not found, though the manifest lists it"),
    ],
    ids=["flipped", "flipped-end", "truncated", "empty", "missing"],
)
def test_a_harmed_shard_is_named(
    whole: Path, harm: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "shards")
    victim = next((tmp_path / "shards").glob("testing-*.tar"))
    harm(victim)
    (found,) = problems(tmp_path / "shards")
    assert found.startswith(f"{tmp_path / 'shards'}/{victim.name}: ")
    assert message in found


def test_every_byte_of_a_shard_counts(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "shards")
    victim = next((tmp_path / "shards").glob("training-*.tar"))
    before = victim.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(before), 12):
        flip(victim, int(position))
        assert len(problems(tmp_path / "shards")) == 1
        victim.write_bytes(before)


def test_foreign_shards_and_harmed_masks_are_named(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "shards")
    shutil.copy(next(whole.glob("*.tar")), tmp_path / "shards" / "training-other-00000000-0000.tar")
    mask = next((tmp_path / "shards").glob("testing-Test001-*.masks.npz"))
    flip(mask, 40)
    next((tmp_path / "shards").glob("testing-Test003-*.masks.npz")).unlink()
    found = problems(tmp_path / "shards")
    assert len(found) == 3
    assert any("training-other-00000000-0000.tar: not of this set" in line for line in found)
    assert any(f"{mask.name}: found other bytes" in line for line in found)
    assert any("Test003" in line and "not found" in line for line in found)
