"""Disks that are full, and folders that cannot be written: one line each, and nothing half-written."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli import main
from pipeline.preprocess.sources.source import Source
from shards.errors import StorageError
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.shards import make_set, random_frames
from tests.helpers.videos import write_images

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="only root may mount a small disk"
)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of 64 kB."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("this machine mounts no small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.fixture(params=["full", "read-only"])
def state(request: pytest.FixtureRequest, disk: Path) -> Iterator[str]:
    """The disk, full or not to be written to."""
    (disk / "ballast").write_bytes(bytes(56 << 10))
    if request.param == "read-only":
        (disk / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    yield str(request.param)
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source, a set, a run and two finished evaluations."""
    folder = tmp_path_factory.mktemp("inputs")
    frames = random_frames(12, (32, 32))
    write_images(folder / "source" / "training" / "a", frames)
    make_set(folder / "set", {"training": [frames], "testing": [frames]}, labels=[np.arange(12) > 5])
    make_checkpoint(folder / "model.safetensors")
    for name in ("one", "two"):
        assert (
            invoke("evaluate", folder / "set", folder / "model.safetensors", "--out", folder / name)[0] == 0
        )
    return folder


PROGRESS = ("preprocess:", "evaluate:", "draw:", "train:", "synthesize:")


def invoke(*arguments: object) -> tuple[int, str]:
    """Exit code and the lines on standard error that are no progress."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    lines = [line for line in result.stderr.splitlines() if not line.startswith(PROGRESS)]
    return result.exit_code, "\n".join(lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ("preprocess", "{inputs}/source", "{disk}/out", "--size", "32", "--workers", "1"),
        ("train", "{inputs}/set", "{disk}/out", "--epochs", "1"),
        ("evaluate", "{inputs}/set", "{inputs}/model.safetensors", "--out", "{disk}/out", "--maps"),
        ("report", "{inputs}/one", "{inputs}/two", "--out", "{disk}/out.html"),
        ("synthesize", "{disk}/out", "--frames", "40", "--training-clips", "1", "--testing-clips", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_cannot_be_written_is_one_line(
    state: str, disk: Path, inputs: Path, arguments: tuple[str, ...]
) -> None:
    code, text = invoke(*(argument.format(inputs=inputs, disk=disk) for argument in arguments))
    assert code == 1
    assert text.count("\n") == 0
    assert text.startswith(f"error: {disk}/out")
    assert any(
        reason in text
        for reason in ("No space left on device", "Read-only file system", "MiB free", "frames written")
    )
    assert not [path for path in disk.rglob("*") if path.name.startswith(".tmp-")]


def test_a_contact_sheet_that_cannot_be_written_is_a_remark(state: str, disk: Path, inputs: Path) -> None:
    code, text = invoke("inspect", inputs / "set", "--sheet", disk / "sheet.png")
    assert code == 0
    assert not (disk / "sheet.png").exists()
    assert text.startswith(f"note: no contact sheet: {disk}/sheet.png: ")


def test_a_remote_video_for_which_there_is_no_room_is_one_line(
    state: str, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    monkeypatch.setattr(Source, "chunks", lambda source, path: iter([bytes(1 << 20)]))
    source = Source("s3://bucket/folder?region=eu-west-1")
    reason = "Read-only file system" if state == "read-only" else "No space left on device"
    expected = rf"s3://bucket/folder/a\.mp4: cannot be fetched to .* \(TMPDIR\): {reason}"
    with pytest.raises(StorageError, match=expected), source.local("a.mp4"):
        pass
