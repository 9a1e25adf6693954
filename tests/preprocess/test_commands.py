"""The commands as a user runs them."""

import shutil
from pathlib import Path

import cv2
import pytest
from click.testing import CliRunner, Result

from cli import main
from shards.manifest import load_manifest
from shards.storage import Storage
from tests.helpers import datasets
from tests.helpers.servers import nginx
from tests.helpers.videos import scene, write_video


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    datasets.ucsd(root / "source")
    result = run("preprocess", root / "source", root / "shards", "--size", "16x24", "--workers", 2)
    assert result.exit_code == 0
    assert "dataset    ped2: Train/Train001 and Test/Test001 with images" in result.stdout
    assert "training   2 videos, 24 frames, 16 windows" in result.stdout
    assert "testing    3 videos, 36 frames, 24 windows" in result.stdout
    assert (
        "labels     10 of 36 frames abnormal, from UCSDped2.m (gt_frame, 1-based inclusive)" in result.stdout
    )
    return root / "shards"


def test_the_recorded_options_do_the_same_again(shards: Path) -> None:
    result = run("--config", shards / "config.toml", "preprocess", shards.parent / "source", shards)
    assert result.exit_code == 0
    assert "decoded    0 videos" in result.stdout
    geometry = load_manifest(Storage(shards)).geometry
    assert (geometry.height, geometry.width) == (16, 24)


def test_verify_passes_a_whole_set_and_fails_a_harmed_one(shards: Path, tmp_path: Path) -> None:
    assert "5 videos in 2 shards, all as they were written" in run("verify", shards).stdout
    shutil.copytree(shards, tmp_path / "set")
    victim = next((tmp_path / "set").glob("*.tar"))
    victim.unlink()
    result = run("verify", tmp_path / "set")
    assert result.exit_code == 1
    assert victim.name in result.stderr


def test_a_harmed_shard_is_made_again_by_preprocess(shards: Path, tmp_path: Path) -> None:
    shutil.copytree(shards, tmp_path / "set")
    victim = next((tmp_path / "set").glob("training-*.tar"))
    before = victim.read_bytes()
    victim.write_bytes(b"\1" + before[1:])
    assert run("verify", tmp_path / "set").exit_code == 1
    source = shards.parent / "source"
    assert "decoded    2 videos" in run("preprocess", source, tmp_path / "set", "--size", "16x24").stdout
    assert victim.read_bytes() == before
    assert run("verify", tmp_path / "set").exit_code == 0


def test_inspect_prints_tables_and_writes_a_contact_sheet(shards: Path, tmp_path: Path) -> None:
    result = run("inspect", shards, "--sheet", tmp_path / "sheet.png", "--rows", 2)
    assert result.exit_code == 0
    assert "ped2: 16x24 BGR, codec raw, windows of 5" in result.stdout
    assert "testing/Test003" in result.stdout
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None
    assert sheet.shape[0] == 4 * (96 + 8 + 16)
    reddish = (sheet[..., 2] > 200) & (sheet[..., 0] < 100)
    assert reddish.any()


def test_user_errors_are_one_line(tmp_path: Path) -> None:
    write_video(tmp_path / "source" / "a.mp4", scene(6))
    for arguments, code in (
        (("preprocess", tmp_path / "none", tmp_path / "shards"), 1),
        (("preprocess", tmp_path / "source", tmp_path / "shards", "--size", "100"), 2),
        (("preprocess", tmp_path / "source", tmp_path / "shards", "--size", "big"), 2),
        (("verify", tmp_path / "source"), 1),
        (("inspect", tmp_path / "source"), 1),
    ):
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        assert result.exit_code == code
        assert result.stderr.strip().splitlines()[-1].lower().startswith("error: ")


def test_verify_checks_over_http_what_the_manifest_lists(shards: Path, tmp_path: Path) -> None:
    shutil.copytree(shards, tmp_path / "set")
    victim = next((tmp_path / "set").glob("*.tar"))
    shutil.copy(victim, tmp_path / "set" / "training-foreign-00000000-0000.tar")
    assert run("verify", tmp_path / "set").exit_code == 1
    (tmp_path / "nginx").mkdir()
    with nginx(tmp_path, tmp_path / "nginx") as port:
        location = f"http://127.0.0.1:{port}/set"
        whole = run("verify", location)
        assert whole.exit_code == 0, whole.output
        assert f"{location}: 5 videos in 2 shards, all as they were written" in whole.stdout
        assert "a web server does not list its files, so foreign ones were not looked for" in whole.stderr
        data = victim.read_bytes()
        victim.write_bytes(data[:-1] + b"\1")
        harmed = run("verify", location)
        victim.unlink()
        missing = run("verify", location)
    assert (harmed.exit_code, missing.exit_code) == (1, 1)
    assert f"{location}/{victim.name}: does not end as a tar should" in harmed.stderr
    assert f"{location}/{victim.name}: not found, though the manifest lists it" in missing.stderr
