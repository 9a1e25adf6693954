"""`inspect` says what lies at a location, be it a run or a checkpoint, here or in a bucket."""

import dataclasses
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from pyarrow import fs

from cli import main
from pipeline.errors import CheckpointError
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.runs.header import read_header
from shards.manifest import MANIFEST, write_manifest
from shards.rows import Videos
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.objectstore import ObjectStore, object_store
from tests.helpers.servers import SECRET, nginx
from tests.helpers.shards import make_set, smooth_frames
from tests.test_startup import HEAVY, packages_of_command

MODEL = "checkpoints/model-00000003.safetensors"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def cells(output: str) -> list[list[str]]:
    """The rows of all tables."""
    rows = (line.strip("│").split("│") for line in output.splitlines() if line.startswith("│"))
    return [[cell.strip() for cell in row] for row in rows]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs, evaluated once, with a line of metrics that nobody finished."""
    folder = tmp_path_factory.mktemp("work")
    frames = smooth_frames(14, (16, 16))
    make_set(folder / "set", {"training": [frames], "testing": [frames]}, labels=[np.arange(len(frames)) > 8])
    options = ("--epochs", 2, "--batch-size", 2, "--memory-items", 7)
    assert invoke("train", folder / "set", folder / "run", *options).exit_code == 0
    assert invoke("evaluate", folder / "set", folder / "run", "--no-report").exit_code == 0
    with (folder / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "step", "st')
    (folder / "run" / "other").mkdir()
    (folder / "run" / "other" / "metrics.json").write_text("[]")
    return folder / "run"


def test_a_run_is_shown_with_checkpoints_losses_and_evaluations(run: Path) -> None:
    result = invoke("inspect", run)
    assert result.exit_code == 0, result.output
    model, checkpoint, steps, epoch, evaluation = cells(result.stdout)
    assert model == ["pred", "16x16 BGR", "5", "7", "10", "2", "2", "1"]
    sizes = [path.stat().st_size for path in sorted((run / "checkpoints").iterdir())]
    assert checkpoint == ["10", *(f"{size / 1e6:.1f}" for size in sizes)]
    assert steps[:2] == ["10", "steps since the line before"]
    assert epoch[:2] == ["10", "the epoch"]
    assert 0 < float(epoch[2]) < 10
    assert evaluation[0] == "evaluation-set"
    assert 0 <= float(evaluation[1]) <= 100
    assert evaluation[2:] == ["carry", "testing", "10", str(run.parent / "set")]


def test_a_run_is_shown_without_torch(run: Path) -> None:
    assert not packages_of_command("inspect", run) & HEAVY


def test_a_checkpoint_file_is_shown(tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "best.safetensors", size=(24, 16), method="recon", window=1)
    result = invoke("inspect", made.name)
    assert cells(result.stdout)[0] == ["recon", "24x16 BGR", "1", "4", "3", "1", "", ""]


def test_a_header_is_that_of_the_whole_checkpoint(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "best.safetensors")
    whole = load_checkpoint(str(tmp_path / "best.safetensors"))
    header = read_header(Storage(tmp_path), "best.safetensors", "x")
    assert (header.spec, header.step, header.epoch) == (whole.spec, whole.step, whole.epoch)
    assert header.origin == whole.origin


@pytest.mark.parametrize("kept", [0, 5, 8, 500, -1])
def test_a_truncated_checkpoint_is_not_taken_for_whole(kept: int, tmp_path: Path) -> None:
    make_checkpoint(tmp_path / MODEL)
    data = (tmp_path / MODEL).read_bytes()
    (tmp_path / MODEL).write_bytes(data[:kept])
    with pytest.raises(CheckpointError, match=r"^x: "):
        read_header(Storage(tmp_path), MODEL, "x")
    result = invoke("inspect", tmp_path)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(f"error: {tmp_path / MODEL}: ")


@pytest.mark.parametrize("rate", ["fast", None, -1, [25]])
def test_a_set_whose_rate_is_none_is_shown_without_it(rate: object, tmp_path: Path) -> None:
    manifest = make_set(tmp_path, {"training": [smooth_frames(14, (16, 16))]})
    (video,) = manifest.videos
    odd = dataclasses.replace(video, source=video.source | {"rate": rate})
    write_manifest(Storage(tmp_path), dataclasses.replace(manifest, videos=Videos.of((odd,))))
    result = invoke("inspect", tmp_path, "--sheet", "none")
    assert result.exit_code == 0, result.output
    (row,) = [row for row in cells(result.stdout) if row[0] == "training/01"]
    assert row[5] == ""


def test_what_is_neither_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no checkpoint, though longer than eight bytes")
    for location, complaint in (
        (tmp_path, "found no manifest.json, metrics.jsonl, models in checkpoints/ or file; give a shard set"),
        (tmp_path / "nowhere", "found no manifest.json"),
        (tmp_path / "text", "not a whole safetensors file"),
    ):
        result = invoke("inspect", location)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert result.stderr.startswith(f"error: {location}: {complaint}")


def test_a_run_on_a_web_server_cannot_be_listed(run: Path, tmp_path: Path) -> None:
    with nginx(run, tmp_path) as port:
        result = invoke("inspect", f"http://127.0.0.1:{port}")
        assert result.exit_code == 1
        assert "a web server does not list its files" in result.stderr


@pytest.fixture(scope="module")
def store(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A store that holds the run."""
    with object_store(tmp_path_factory.mktemp("store")) as running:
        fs.copy_files(
            str(run),
            "tests/run",
            source_filesystem=fs.LocalFileSystem(),
            destination_filesystem=running.files(),
        )
        yield running


@pytest.mark.slow
def test_a_run_and_a_checkpoint_in_a_bucket_are_shown_alike(store: ObjectStore, run: Path) -> None:
    there = invoke("inspect", store.location("run"))
    assert cells(there.stdout) == cells(invoke("inspect", run).stdout)
    (model,) = (run / "checkpoints").glob("model-*")
    alone = invoke("inspect", store.location(f"run/checkpoints/{model.name}"))
    assert cells(alone.stdout) == cells(invoke("inspect", model).stdout)
    nothing = invoke("inspect", store.location("nowhere"))
    assert nothing.stderr.startswith("error: s3://tests/nowhere: found no manifest.json")
    assert SECRET not in there.output + alone.output + nothing.output


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_the_digest_that_is_printed_takes_one_look_at_the_manifest(
    command: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run.parent / "set", tmp_path / "set")
    expected = hashlib.sha256((tmp_path / "set" / MANIFEST).read_bytes()).hexdigest()
    read, names = Storage.read, []

    def noted(self: Storage, name: str, *, most: int) -> bytes:
        names.append(name)
        return read(self, name, most=most)

    monkeypatch.setattr(Storage, "read", noted)
    result = invoke(command, tmp_path / "set")
    assert f"manifest digest: {expected}" in result.stdout.splitlines()
    assert names.count(MANIFEST) == 1
