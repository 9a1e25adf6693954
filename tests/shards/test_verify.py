"""Whatever is wrong with a set is named."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.inspect.config import VerifyConfig
from pipeline.inspect.run import verify as verify_stage
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.run import preprocess
from pipeline.processes.locking import sole
from shards.entries import Video
from shards.manifest import load_manifest
from shards.storage import Storage
from shards.verify import verify
from tests.helpers import datasets
from tests.helpers.videos import scene, write_images


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


def test_harmed_masks_are_named(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "shards")
    mask = next((tmp_path / "shards").glob("testing-Test001-*.masks.npz"))
    flip(mask, 40)
    next((tmp_path / "shards").glob("testing-Test003-*.masks.npz")).unlink()
    found = problems(tmp_path / "shards")
    assert len(found) == 2
    assert any(f"{mask.name}: found other bytes" in line for line in found)
    assert any("Test003" in line and "not found" in line for line in found)


def test_files_that_no_version_lists_are_named_unless_a_set_is_being_made(
    whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path / "shards")
    stranger = tmp_path / "shards" / "training-other-00000000-0000.tar"
    shutil.copy(next(whole.glob("*.tar")), stranger)
    config = VerifyConfig(shards=str(tmp_path / "shards"))
    (found,) = verify_stage(config).problems
    assert found.startswith(f"{stranger}: no version of this set lists it; run preprocess again")
    with sole("preprocess", Storage(tmp_path / "shards")):  # which writes shards before it lists them
        verified = verify_stage(config)
    assert not verified.problems
    assert verified.notes == (
        "preprocess is at work in it, so files that no version lists were not looked for",
    )


def test_an_earlier_version_is_checked_by_its_digest(tmp_path: Path) -> None:
    datasets.ucsd(tmp_path / "source")
    shards = str(tmp_path / "shards")
    config = PreprocessConfig(source=str(tmp_path / "source"), shards=shards, size=(16, 16))
    before = preprocess(config).manifest
    added = tmp_path / "source" / "UCSDped2" / "Train" / "Train003"
    write_images(added, scene(12, seed=9), first=1, pattern="{:03d}.tif")
    after = preprocess(config).manifest
    assert after.digest != before.digest
    for manifest in (before, after):
        verified = verify_stage(VerifyConfig(shards=shards, manifest_digest=manifest.digest))
        assert (verified.digest, verified.problems) == (manifest.digest, [])
        assert f"{len(manifest.videos)} videos" in verified.seen
