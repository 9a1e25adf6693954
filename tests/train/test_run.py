"""Runs from end to end: what they leave, what they refuse, and how they fail."""

import contextlib
import dataclasses
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from mnad import MNAD
from pipeline.errors import (
    CheckpointError,
    CommandError,
    ConfigError,
    CorruptShardError,
    ShardError,
    TrainingError,
)
from pipeline.processes.distributed import processes
from pipeline.runs.checkpoint import load_checkpoint, load_training_state
from pipeline.runs.layout import model_name, training_name
from pipeline.train.config import TrainConfig, train_config
from pipeline.train.run import train
from pipeline.train.setup import prepare
from shards.errors import StorageError
from shards.manifest import load_manifest
from shards.storage import Storage
from tests.helpers.commands import command, metrics, run
from tests.helpers.ranks import run_ranks
from tests.helpers.shards import make_set, smooth_frames


def shards(folder: Path, *, frames: int = 9, size: int = 16) -> Path:
    """A set of two training videos: 2 * (frames - 4) windows of 5, 2 * frames of 1."""
    videos = [smooth_frames(frames, (size, size), seed=seed) for seed in (1, 2)]
    make_set(folder / "shards", {"training": videos})
    return folder / "shards"


def config(folder: Path, **options: Any) -> TrainConfig:
    given = {"shards": str(folder / "shards"), "run": str(folder / "run"), "epochs": 1, "threads": 1}
    return train_config(**{**given, **options})


@pytest.mark.parametrize(("method", "steps"), [("pred", 5), ("recon", 9)])
def test_a_run_leaves_checkpoint_metrics_and_options(method: str, steps: int, tmp_path: Path) -> None:
    shards(tmp_path)
    options = config(tmp_path, method=method, batch_size=2, log_every=3, precision="fp32", hold_out=0.0)
    summary = train(options)
    assert (summary.steps, summary.samples) == (steps, 2 * steps)
    found = load_checkpoint(str(tmp_path / "run"))
    assert found.name == summary.checkpoint
    assert (found.step, found.epoch, found.spec.method) == (steps, 1, method)
    frame = torch.zeros(1, 12 if method == "pred" else 3, 16, 16)
    assert found.model()(frame).frame.shape == (1, 3, 16, 16)
    lines = metrics(tmp_path / "run")
    assert [(line["kind"], line["step"]) for line in lines if line["kind"] == "epoch"] == [("epoch", steps)]
    assert [line["step"] for line in lines if line["kind"] == "step"] == [*range(3, steps, 3), steps]
    assert lines[-1]["total"] == pytest.approx(summary.losses["total"])
    written = tomllib.loads((tmp_path / "run/config.toml").read_text())["train"]
    assert TrainConfig(**written) == options


def test_a_run_goes_on_in_the_precision_that_auto_gave_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards(tmp_path)
    monkeypatch.setattr("pipeline.train.precision.convolution_speedup", lambda: 9.0)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)
    train(config(tmp_path))
    monkeypatch.setattr("pipeline.train.precision.convolution_speedup", lambda: 0.5)  # another machine
    train(config(tmp_path))
    assert tomllib.loads((tmp_path / "run/config.toml").read_text())["train"]["precision"] == "bf16"
    with pytest.raises(CheckpointError, match="--precision: found 'bf16', expected 'fp32'"):
        train(config(tmp_path, precision="fp32"))


@pytest.mark.parametrize("recorded", ["auto", "fp64", ["fp32"]])
def test_a_precision_that_no_run_has_is_refused(tmp_path: Path, recorded: Any) -> None:
    shards(tmp_path)
    train(config(tmp_path, epochs=0))
    checkpoint = load_checkpoint(str(tmp_path / "run"))
    options = {**checkpoint.origin["options"], "precision": recorded}
    other = dataclasses.replace(checkpoint, origin={**checkpoint.origin, "options": options})
    Storage(tmp_path / "run").write(model_name(0), other.to_bytes())
    with pytest.raises(CheckpointError, match=f"--precision: found {re.escape(repr(recorded))}, expected"):
        train(config(tmp_path, epochs=0))


def precision_of_unlike_machines(folder: Path) -> str:
    with processes("cpu") as process, contextlib.ExitStack() as held:
        found = ("bf16", "fp32")[process.rank]
        with mock.patch("pipeline.train.precision.resolve", return_value=found):
            return prepare(config(folder, batch_size=1), process, held).config.precision


@pytest.mark.ddp
def test_processes_on_unlike_machines_compute_in_one_precision(tmp_path: Path) -> None:
    shards(tmp_path)
    assert run_ranks(2, precision_of_unlike_machines, tmp_path) == ["bf16", "bf16"]


def test_no_epochs_give_the_untrained_network_of_the_seed(tmp_path: Path) -> None:
    shards(tmp_path)
    train(config(tmp_path, epochs=0, seed=3))
    torch.manual_seed(3)
    expected = MNAD("pred").state_dict()
    found = load_checkpoint(str(tmp_path / "run"))
    assert (found.step, found.epoch) == (0, 0)
    assert all(torch.equal(found.tensors[name], expected[name]) for name in expected)


def test_the_epoch_line_is_the_mean_of_its_steps(tmp_path: Path) -> None:
    shards(tmp_path)
    train(config(tmp_path, batch_size=2, log_every=1))
    *steps, epoch = metrics(tmp_path / "run")
    assert len(steps) == 5
    for name in ("total", "pixel", "compact", "separate"):
        assert epoch[name] == pytest.approx(np.mean([line[name] for line in steps]))


def test_a_memory_of_queries_starts_elsewhere_with_the_same_weights(tmp_path: Path) -> None:
    shards(tmp_path)
    for name in ("random", "queries"):
        train(config(tmp_path, epochs=0, memory_init=name, run=str(tmp_path / name)))
    random, queries = (load_checkpoint(str(tmp_path / name)).tensors for name in ("random", "queries"))
    different = {name for name in random if not torch.equal(random[name], queries[name])}
    assert different == {"memory.items"}


def test_a_first_batch_with_too_few_queries_is_refused(tmp_path: Path) -> None:
    shards(tmp_path)
    with pytest.raises(ConfigError, match="--memory-init queries: found 8 queries, expected at least 10"):
        train(config(tmp_path, batch_size=2, memory_init="queries"))


def test_a_run_saves_the_average_and_goes_on_from_the_weights(tmp_path: Path) -> None:
    shards(tmp_path)
    options = config(
        tmp_path, epochs=2, batch_size=2, average=3, checkpoint_epochs=1, keep=2, precision="fp32"
    )
    train(options)
    run = Storage(str(tmp_path / "run"))
    saved, weights = load_checkpoint(str(tmp_path / "run")).tensors, load_training_state(run, 10)["model"]
    assert not torch.equal(saved["memory.items"], weights["memory.items"])
    for name in (model_name(10), training_name(10)):
        run.delete(name)
    train(options)
    again = load_checkpoint(str(tmp_path / "run")).tensors
    assert all(torch.equal(again[name], saved[name]) for name in saved)


def test_a_run_older_than_an_option_goes_on_with_its_default(tmp_path: Path) -> None:
    shards(tmp_path)
    train(config(tmp_path, epochs=0))
    run = Storage(str(tmp_path / "run"))
    checkpoint = load_checkpoint(str(tmp_path / "run"))
    options = {name: value for name, value in checkpoint.origin["options"].items() if name != "average"}
    old = dataclasses.replace(checkpoint, origin={**checkpoint.origin, "options": options})
    run.write(model_name(0), old.to_bytes())
    train(config(tmp_path, epochs=0))
    with pytest.raises(CheckpointError, match="--average: found 0, expected 5"):
        train(config(tmp_path, epochs=0, average=5))


@pytest.mark.parametrize("cache", ["ram", "device"])
def test_frames_kept_in_memory_train_the_same_weights(tmp_path: Path, cache: str) -> None:
    shards(tmp_path)
    found = []
    for name, kept in (("plain", "none"), ("kept", cache)):
        options = {"epochs": 2, "batch_size": 2, "precision": "fp32"}
        train(config(tmp_path, **options, cache=kept, run=str(tmp_path / name)))
        found.append(load_checkpoint(str(tmp_path / name)).tensors)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_other_options_than_those_of_the_run_are_refused_one_by_one(tmp_path: Path) -> None:
    shards(tmp_path)
    train(config(tmp_path, epochs=0, precision="fp32"))
    with pytest.raises(CheckpointError) as error:
        train(config(tmp_path, epochs=2, lr=1.0, precision="bf16", keep=9, threads=2))
    found = str(error.value)
    assert "--epochs: found 0, expected 2" in found
    assert "--lr: found 0.0002, expected 1.0" in found
    assert "--precision: found 'fp32', expected 'bf16'" in found
    assert "keep" not in found
    assert "threads" not in found
    assert "\n" not in found


def test_another_shard_set_than_that_of_the_run_is_refused(tmp_path: Path) -> None:
    shards(tmp_path)
    train(config(tmp_path, epochs=0))
    shards(tmp_path, frames=10)
    with pytest.raises(CheckpointError, match="training videos: found"):
        train(config(tmp_path, epochs=0))


def test_a_run_goes_on_when_test_videos_and_labels_changed(tmp_path: Path) -> None:
    training = [smooth_frames(9, (16, 16), seed=seed) for seed in (1, 2)]
    testing = [smooth_frames(12, (16, 16), seed=seed) for seed in (3, 4)]
    make_set(tmp_path / "shards", {"training": training, "testing": testing[:1]})
    train(config(tmp_path, epochs=0))
    labels = [np.arange(12) >= 6] * 2
    make_set(tmp_path / "shards", {"training": training, "testing": testing}, labels=labels)
    train(config(tmp_path, epochs=0))
    make_set(tmp_path / "shards", {"training": training[::-1], "testing": testing}, labels=labels)
    with pytest.raises(CheckpointError, match=r"training videos: found '[0-9a-f]{64}', expected"):
        train(config(tmp_path, epochs=0))


def test_a_run_without_a_recorded_identity_is_refused_in_one_line(tmp_path: Path) -> None:
    shards(tmp_path)
    train(config(tmp_path, epochs=0))
    checkpoint = load_checkpoint(str(tmp_path / "run"))
    for data in ({"dataset": "folder", "sha256": "0" * 64}, None, "training"):
        old = dataclasses.replace(checkpoint, origin={**checkpoint.origin, "data": data})
        Storage(tmp_path / "run").write(model_name(0), old.to_bytes())
        with pytest.raises(
            CheckpointError, match="training videos: found 'none recorded', expected"
        ) as error:
            train(config(tmp_path, epochs=0))
        assert "\n" not in str(error.value)


def test_a_pinned_set_is_trained_on_and_another_one_is_not(tmp_path: Path) -> None:
    digest = load_manifest(Storage(shards(tmp_path))).digest
    train(config(tmp_path, epochs=0, manifest_digest=digest))
    make_set(tmp_path / "shards", {"testing": [smooth_frames(9, (16, 16))]})
    train(config(tmp_path, epochs=0, manifest_digest=digest))  # its version is still there
    shutil.rmtree(tmp_path / "shards/versions")
    with pytest.raises(ShardError, match=rf"found SHA-256 [0-9a-f]{{64}}, expected {digest} as pinned"):
        train(config(tmp_path, epochs=0, manifest_digest=digest))
    with pytest.raises(ConfigError, match="--manifest-digest: found 'ABC', expected the 64"):
        config(tmp_path, manifest_digest="ABC")


def test_the_config_of_something_else_is_not_written_over(tmp_path: Path) -> None:
    shards(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run/config.toml").write_text("[preprocess]\nsource = 'x'\n")
    with pytest.raises(ConfigError, match=r"run/config\.toml: not of train"):
        train(config(tmp_path))
    (tmp_path / "run/config.toml").unlink()
    (tmp_path / "run/log.txt").write_text("what the scheduler wrote")
    train(config(tmp_path, epochs=0))


@pytest.mark.parametrize("name", ["checkpoints", "tensorboard", "validation"])
def test_a_run_with_a_link_out_of_it_is_refused(tmp_path: Path, name: str) -> None:
    shards(tmp_path)
    train(config(tmp_path, epochs=0, run=str(tmp_path / "other")))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "other" / name)
    with pytest.raises(ConfigError, match=f"run/{name}: found a link"):
        train(config(tmp_path, epochs=0))


def test_too_few_windows_for_a_batch_are_counted(tmp_path: Path) -> None:
    shards(tmp_path)
    with pytest.raises(ConfigError, match="found 10 training windows of 5 frames, expected at least 12"):
        train(config(tmp_path, batch_size=4, accumulate=3))


def test_synchronised_batch_norm_needs_cuda(tmp_path: Path) -> None:
    shards(tmp_path)
    with pytest.raises(ConfigError, match="--sync-bn: found device cpu, expected cuda"):
        train(config(tmp_path, sync_bn=True, device="cpu"))


def test_frames_that_the_network_cannot_halve_are_refused(tmp_path: Path) -> None:
    shards(tmp_path, size=20)
    with pytest.raises(ConfigError, match="found frames of 20x20, expected multiples of 8"):
        train(config(tmp_path))


def test_a_missing_set_and_a_longer_window_are_errors_of_the_shards(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"manifest\.json: not found"):
        train(config(tmp_path))
    shards(tmp_path)
    with pytest.raises(ShardError, match="asked for 9"):
        train(config(tmp_path, window=9))
    assert not (tmp_path / "run").exists()


def test_a_run_under_a_file_is_refused_before_training(tmp_path: Path) -> None:
    shards(tmp_path)
    (tmp_path / "run").touch()
    with pytest.raises(StorageError, match="run: cannot be written"):
        train(config(tmp_path))


def test_losses_that_are_not_finite_end_the_run_without_a_checkpoint(tmp_path: Path) -> None:
    shards(tmp_path)
    with pytest.raises(TrainingError, match=r"step \d: found losses pixel nan"):
        train(config(tmp_path, batch_size=2, lr=1e30, precision="fp32"))
    assert not (tmp_path / "run/checkpoints").exists()


def test_a_damaged_shard_ends_the_run_with_its_name(tmp_path: Path) -> None:
    (shard, *_) = sorted(shards(tmp_path).glob("*.tar"))
    data = bytearray(shard.read_bytes())
    data[1600] ^= 255
    shard.write_bytes(data)
    with pytest.raises(CorruptShardError, match=shard.name):
        train(config(tmp_path))


def test_a_disk_that_fills_up_is_one_line_and_nothing_half_written(tmp_path: Path) -> None:
    shards(tmp_path)
    args = command("train", tmp_path / "shards", tmp_path / "run", "--epochs", 1, "--threads", 1)
    limited = ["prlimit", f"--fsize={1 << 20}", *args]
    result = run(limited)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(
        f"error: {tmp_path}/run/checkpoints/training-00000002.pt: cannot be written: File too large"
    )
    assert not list((tmp_path / "run/checkpoints").iterdir())


def test_tensorboard_gets_the_figures_and_a_prediction_and_changes_nothing(tmp_path: Path) -> None:
    shards(tmp_path)
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(config(tmp_path, batch_size=2, precision="fp32", run=str(tmp_path / "plain")))
    train(config(tmp_path, batch_size=2, precision="fp32", tensorboard=True))
    events = accumulator.EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    (point,) = events.Scalars("epoch/total")
    assert (point.step, point.value) == (5, pytest.approx(metrics(tmp_path / "run")[-1]["total"]))
    (image,) = events.Images("truth, prediction, error")
    assert (image.height, image.width) == (3 * 16, 2 * 16)
    plain, shown = (load_checkpoint(str(tmp_path / name)).tensors for name in ("plain", "run"))
    assert all(torch.equal(plain[name], shown[name]) for name in plain)


@pytest.mark.slow
def test_test_metrics_on_the_way_are_marked_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    clip = smooth_frames(10, (16, 16))
    labels = [np.arange(10) >= 5]
    make_set(tmp_path / "shards", {"training": [clip], "testing": [clip]}, labels=labels)
    train(config(tmp_path, method="recon", epochs=4, every=2, validate=str(tmp_path / "shards")))
    found = [line for line in metrics(tmp_path / "run") if line["kind"] == "validation"]
    assert [line["epoch"] for line in found] == [1, 3]
    assert all(0 <= line["auc"] <= 1 and "not to choose" in line["note"] for line in found)


def labelled(folder: Path, *, size: int = 16, window: int = 5, labels: bool = True) -> str:
    """A set to validate on."""
    clip = smooth_frames(10, (size, size))
    marks = [np.arange(10) >= 7] if labels else None
    make_set(folder, {"training": [clip], "testing": [clip]}, labels=marks, window=window)
    return str(folder)


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (None, ShardError, r"other/manifest\.json: not found"),
        ({"size": 24}, ConfigError, "--validate .*other: found frames of 24x24x3 BGR, expected 16x16x3 BGR"),
        ({"window": 2}, ConfigError, "--validate .*other: found windows of up to 2 frames, expected 5"),
        ({"labels": False}, ConfigError, "--validate .*other: found no testing videos with frame labels"),
    ],
)
def test_a_set_that_cannot_be_validated_on_is_refused_before_training(
    made: dict[str, Any] | None, error: type[Exception], message: str, tmp_path: Path
) -> None:
    shards(tmp_path)
    if made is not None:
        labelled(tmp_path / "other", **made)
    with pytest.raises(error, match=message):
        train(config(tmp_path, validate=str(tmp_path / "other")))
    assert not (tmp_path / "run").exists()


def test_a_validation_that_failed_is_made_up_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = config(tmp_path, method="recon", epochs=2, validate=labelled(tmp_path / "shards"))
    done: list[int] = []

    def validate(_shards: str, _run: str, step: int, _device: str) -> dict[str, Any]:
        if not done:
            done.append(0)
            raise CommandError("evaluate: ended by SIGINT")
        done.append(step)
        return {"auc": 0.5}

    monkeypatch.setattr("pipeline.train.run.validate", validate)
    with pytest.raises(CommandError):
        train(options)
    for _ in range(2):
        total = train(options).steps
        lines = [line["step"] for line in metrics(tmp_path / "run") if line["kind"] == "validation"]
        assert done[1:] == lines == [total // 2, total]
    train(dataclasses.replace(options, validate=None))
    assert done[1:] == lines


def test_a_validation_computes_where_the_training_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr("pipeline.train.validate.run_command", lambda *words: commands.append(words))
    monkeypatch.setattr("pipeline.train.validate.load_record", mock.MagicMock())
    options = {"device": "cpu", "validate": labelled(tmp_path / "shards")}
    with contextlib.suppress(TypeError):  # the stand-in's figures are nothing to write down
        train(config(tmp_path, method="recon", **options))
    (words,) = commands
    assert words[words.index("--device") :][:2] == ("--device", "cpu")


def first_items(folder: Path, name: str, accumulate: int) -> torch.Tensor:
    """The memory that a run starts with."""
    options = {"memory_init": "queries", "memory_items": 4, "batch_size": 2, "precision": "fp32"}
    train(config(folder, epochs=0, accumulate=accumulate, run=str(folder / name), **options))
    return load_checkpoint(str(folder / name)).tensors["memory.items"]


@pytest.mark.ddp
def test_a_memory_of_queries_does_not_depend_on_the_processes(tmp_path: Path) -> None:
    shards(tmp_path)
    first, second = run_ranks(2, first_items, tmp_path, "two", 1)
    assert torch.equal(first, second)
    torch.testing.assert_close(first_items(tmp_path, "one", 2), first)


@pytest.mark.ddp
def test_processes_fail_together_when_one_cannot_read(tmp_path: Path) -> None:
    shard = next(shards(tmp_path).glob("*.tar"))
    data = bytearray(shard.read_bytes())
    data[1600] ^= 255
    shard.write_bytes(data)
    result = run(
        command("train", tmp_path / "shards", tmp_path / "run", "--batch-size", 1, "--epochs", 1, processes=2)
    )
    assert result.returncode == 1
    assert "error: " in result.stderr
    assert "digest" in result.stderr
    assert "[rank" not in result.stderr, "a traceback where one line was due"


def test_a_run_whose_model_is_gone_keeps_its_metrics(tmp_path: Path) -> None:
    shards(tmp_path)
    train(config(tmp_path, batch_size=2))
    lines = (tmp_path / "run/metrics.jsonl").read_bytes()
    (model,) = (tmp_path / "run/checkpoints").glob("model-*")
    model.unlink()
    with pytest.raises(CheckpointError, match=rf"{model.name}: not found, though checkpoints/training-"):
        train(config(tmp_path, batch_size=2))
    assert (tmp_path / "run/metrics.jsonl").read_bytes() == lines
