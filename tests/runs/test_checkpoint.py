"""Checkpoints on disk: whole or absent, found by number, and nothing but data."""

import dataclasses
import errno
import hashlib
import io
import os
import pickle
import shutil
from pathlib import Path
from typing import IO

import pytest
import safetensors.torch
import torch

from pipeline.errors import CheckpointError, ShardError
from pipeline.runs.checkpoint import (
    Checkpoint,
    checkpoint_from_bytes,
    latest_step,
    load_checkpoint,
    load_training_state,
    prune_checkpoints,
    require_space,
    save_checkpoint,
    writing_to,
)
from pipeline.runs.layout import model_name, training_name
from pipeline.runs.spec import ModelSpec
from shards import storage
from shards.bucket import Bucket
from shards.errors import StorageError
from shards.storage import Storage
from tests.helpers.objectstore import bucket_of_files

SPEC = ModelSpec(method="recon", window=1, items=4, height=64, width=64)


WEIGHTS = SPEC.build().state_dict()
BIAS = "decoder.output.6.bias"


def made(step: int) -> Checkpoint:
    """A checkpoint whose last bias is the step."""
    tensors = WEIGHTS | {BIAS: torch.full((3,), float(step))}
    return Checkpoint(
        name="x", spec=SPEC, tensors=tensors, step=step, epoch=1, origin={"options": {"lr": 0.1}}
    )


def saved(run: Storage, *steps: int) -> None:
    for step in steps:
        state = io.BytesIO()
        torch.save({"step": step}, state)
        save_checkpoint(run, made(step), state.getvalue())


def test_a_checkpoint_survives_the_disk() -> None:
    found = checkpoint_from_bytes(made(5).to_bytes(), "x")
    assert (found.spec, found.step, found.epoch, found.origin) == (SPEC, 5, 1, {"options": {"lr": 0.1}})
    assert found.tensors[BIAS].tolist() == [5.0] * 3
    assert found.to_bytes() == made(5).to_bytes()
    assert found.sha256 == hashlib.sha256(made(5).to_bytes()).hexdigest()


def test_the_latest_is_found_by_number_and_the_model_file_makes_it_whole(tmp_path: Path) -> None:
    run = Storage(tmp_path)
    saved(run, 99_999_999, 100_000_000, 7)
    assert load_checkpoint(str(tmp_path)).step == 100_000_000
    (tmp_path / model_name(100_000_000)).rename(tmp_path / "checkpoints/.tmp-of-a-save-that-was-killed")
    assert load_checkpoint(str(tmp_path)).step == 99_999_999
    assert load_checkpoint(f"{tmp_path}/{model_name(7)}").step == 7


def test_pruning_keeps_the_last_ones_and_clears_what_a_killed_process_left(tmp_path: Path) -> None:
    run = Storage(tmp_path)
    saved(run, 1, 2, 3)
    run.write(training_name(9), b"written before its model, which never came")
    (tmp_path / "checkpoints/.tmp-x").touch()
    (tmp_path / "checkpoints/notes.txt").touch()
    prune_checkpoints(run, 2)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    expected = [model_name(2), model_name(3), training_name(2), training_name(3)]
    assert names == sorted(["notes.txt", *(name.partition("/")[2] for name in expected)])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a whole safetensors file"),
        (made(1).to_bytes()[:-1], "not a whole safetensors file"),
        (pickle.dumps({"weight": 1}), "not a whole safetensors file"),
        (safetensors.torch.save({"weight": torch.ones(1)}), "not one of this project"),
        (
            safetensors.torch.save(
                {"w": torch.ones(1)}, {"mnad": '{"format": "mnad-checkpoint", "version": 9}'}
            ),
            "found mnad-checkpoint version 9, expected mnad-checkpoint version 1",
        ),
    ],
)
def test_what_is_no_checkpoint_says_so(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=message) as error:
        load_checkpoint(str(path))
    assert str(path) in str(error.value)


def test_a_checkpoint_of_another_network_names_what_does_not_fit() -> None:
    alone = dataclasses.replace(made(1), tensors={"weight": torch.ones(2, 3)})
    with pytest.raises(CheckpointError, match="does not fit"):
        alone.model()


@pytest.mark.parametrize("name", ["nowhere", "nowhere/model-00000001.safetensors"])
def test_where_nothing_is_nothing_is_found(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="found"):
        load_checkpoint(f"{tmp_path}/{name}")


class Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (pytest.fail, ("code from the file has run",))


def pickled(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("data", [pickled(Payload()), pickled({"a": 1})[:-30], b"text", b""])
def test_a_training_state_that_is_damaged_or_carries_code_is_refused(data: bytes, tmp_path: Path) -> None:
    run = Storage(tmp_path)
    run.write(training_name(3), data)
    with pytest.raises(CheckpointError, match="not a whole training state"):
        load_training_state(run, 3)


def test_a_model_without_its_training_state_cannot_go_on(tmp_path: Path) -> None:
    expected = r"training-00000003\.pt: not found .*delete the files of step 3 to go on from the checkpoint"
    with pytest.raises(CheckpointError, match=expected):
        load_training_state(Storage(tmp_path), 3)


def test_a_run_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(CheckpointError, match="cannot be written: File too large"),
        writing_to(Storage(tmp_path)),
    ):
        raise OSError(errno.EFBIG, "File too large")  # from what is not written through the storage
    (tmp_path / "file").touch()
    run = Storage(tmp_path / "file")
    with (
        pytest.raises(ShardError, match=r"file/config\.toml: cannot be written: File exists"),
        writing_to(run),
    ):
        run.write("config.toml", b"")


def test_room_for_the_checkpoints_is_checked_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = torch.nn.Linear(512, 512, bias=False)  # 1 MiB, and 2 for its training state
    usage = type("Usage", (), {"free": 9 << 20})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    require_space(Storage(tmp_path), model, keep=2, models=3)
    with pytest.raises(CheckpointError, match="found 9 MiB free, expected 12 MiB"):
        require_space(Storage(tmp_path), model, keep=3, models=3)
    saved(Storage(tmp_path), 1)
    require_space(Storage(tmp_path), model, keep=3, models=3)


def test_a_model_that_is_gone_is_missed_by_name(tmp_path: Path) -> None:
    run = Storage(tmp_path)
    assert latest_step(run) is None
    saved(run, 1, 2)
    assert latest_step(run) == 2
    run.delete(model_name(2))
    expected = (
        rf"{model_name(2)}: not found, though {training_name(2)} is there; restore it, or delete the latter "
        "to go on from step 1"
    )
    for find in (lambda: latest_step(run), lambda: load_checkpoint(str(tmp_path))):
        with pytest.raises(CheckpointError, match=expected):
            find()
    run.delete(model_name(1))
    with pytest.raises(CheckpointError, match="to start again"):
        latest_step(run)
    run.delete(training_name(2))
    run.delete(training_name(1))
    assert latest_step(run) is None


def test_a_save_that_is_killed_is_no_model_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Storage(tmp_path)
    saved(run, 1)
    child = os.fork()
    if child == 0:  # killed after the training state, before the model
        replace = Path.replace
        monkeypatch.setattr(
            Path,
            "replace",
            lambda path, to: os.kill(os.getpid(), 9) if "model" in to.name else replace(path, to),
        )
        save_checkpoint(run, made(2), b"state")
    os.waitpid(child, 0)
    assert run.exists(training_name(2))
    assert latest_step(run) == 1


def test_a_save_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Storage(tmp_path)
    saved(run, 1)

    def fail(checkpoint: Checkpoint) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checkpoint, "to_bytes", fail)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(run, made(2), b"state")
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == [Path(model_name(1)).name, Path(training_name(1)).name]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_save_that_fails_after_its_model_was_published_is_whole(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Storage(tmp_path)
    saved(run, 1)

    def fail(folder: Path) -> None:
        if (tmp_path / model_name(2)).exists():
            raise error

    monkeypatch.setattr(storage, "sync_folder", fail)
    with pytest.raises((StorageError, KeyboardInterrupt), match=r"checkpoints/model|^$"):
        saved(run, 2)
    assert latest_step(run) == 2
    assert load_training_state(run, 2) == {"step": 2}


@pytest.mark.parametrize("method", ["exists", "delete"])
def test_a_save_that_fails_says_why_where_the_storage_fails_as_well(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> bytes:
        raise StorageError("the bucket does not answer")

    def full(checkpoint: Checkpoint) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Checkpoint, "to_bytes", full)
    monkeypatch.setattr(Storage, method, fail)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(Storage(tmp_path), made(2), b"state")


def test_a_save_that_fails_in_a_bucket_leaves_the_state_of_a_model_that_may_yet_be_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    run = bucket_of_files(tmp_path)
    saved(run, 1)
    upload, unanswered = Bucket.upload, []

    def interrupted(bucket: Bucket, file: IO[bytes], name: str) -> None:
        if name == model_name(2):
            file.seek(0)
            unanswered.append(file.read())
            raise KeyboardInterrupt
        upload(bucket, file, name)

    monkeypatch.setattr(Bucket, "upload", interrupted)
    with pytest.raises(KeyboardInterrupt):
        saved(run, 2)
    assert latest_step(run) == 1
    monkeypatch.undo()
    run.write(model_name(2), *unanswered)
    assert latest_step(run) == 2
    assert load_training_state(run, 2) == {"step": 2}
    prune_checkpoints(run, 1)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == [Path(model_name(2)).name, Path(training_name(2)).name]
