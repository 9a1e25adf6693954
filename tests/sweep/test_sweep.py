"""A sweep over seeds, with real training and evaluation of toy size."""

import dataclasses
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import cli
from pipeline.errors import CommandError, ConfigError, TrainingError
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.job import prepare
from pipeline.processes.distributed import Process
from pipeline.runs.checkpoint import Checkpoint, save_checkpoint
from pipeline.runs.spec import ModelSpec
from pipeline.sweep.config import SEEDS, SweepConfig
from pipeline.sweep.run import _is_evaluated, sweep
from shards.choices import Split
from shards.storage import Storage
from tests.helpers.commands import TIMEOUT, command, started, wait_for_step
from tests.helpers.shards import make_set, smooth_frames


def config(folder: Path, *, seeds: tuple[int, ...], labels: np.ndarray | None) -> SweepConfig:
    videos: dict[Split, list[np.ndarray]] = {
        "training": [smooth_frames(8, (16, 16))],
        "testing": [smooth_frames(12, (16, 16), seed=4)],
    }
    make_set(folder / "shards", videos, labels=None if labels is None else [labels])
    options = ("--epochs", "1", "--method", "recon")
    return SweepConfig(
        shards=str(folder / "shards"), out=str(folder / "sweep"), seeds=seeds, train_options=options
    )


@pytest.mark.slow
def test_a_sweep_reports_every_seed_and_their_spread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    labels = np.arange(12) >= 6
    made = config(tmp_path, seeds=(1, 5), labels=labels)
    spreads = sweep(made)
    result = json.loads((tmp_path / "sweep/sweep.json").read_text())
    for name, spread in spreads.items():
        assert set(spread.values) == {1, 5}
        assert spread.mean == pytest.approx(np.mean(list(spread.values.values())))
        assert spread.sd == pytest.approx(np.std(list(spread.values.values()), ddof=1))
        assert result["figures"][name]["values"] == {str(k): v for k, v in spread.values.items()}
    results = [tmp_path / f"sweep/seed-{seed}/evaluation/metrics.json" for seed in (1, 5)]
    assert spreads["AUC"].values[5] == json.loads(results[1].read_text())["auc"]

    other = json.loads(results[1].read_text())
    other["provenance"]["checkpoint_sha256"] = "of another model"
    results[1].write_text(json.dumps(other))
    before = [path.stat().st_mtime_ns for path in results]
    assert sweep(made) == spreads
    after = [path.stat().st_mtime_ns for path in results]
    assert after[0] == before[0], "evaluated again"
    assert after[1] > before[1], "not evaluated again"


OTHERWISE = {
    "code_version": "another",
    "checkpoint_sha256": "another",
    "manifest_sha256": "another",
    "split": "training",
    "memory": "frozen",
    "alpha": 0.1,
    "threshold": 0.1,
    "distance": "places",
    "runtime": "onnx",
    "precision": "bf16",
}


def test_an_evaluation_with_other_options_than_those_of_the_sweep_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards, folder = config(tmp_path, seeds=(1,), labels=None).shards, str(tmp_path / "run")
    spec = ModelSpec(method="recon", window=1, items=2, height=16, width=16)
    tensors = spec.build().state_dict()
    checkpoint = Checkpoint(name="x", spec=spec, tensors=tensors, step=1, epoch=0, origin={})
    save_checkpoint(Storage(folder), checkpoint, b"")
    alone = Process(rank=0, world=1, device=torch.device("cpu"))
    out = Storage(tmp_path / "run/evaluation")
    made = prepare(EvaluateConfig(shards=shards, checkpoint=folder), alone, out).provenance

    def is_kept(**changes: Any) -> bool:
        record = SimpleNamespace(provenance=dataclasses.replace(made, **changes))
        monkeypatch.setattr("pipeline.sweep.run.load_record", lambda _: record)
        return _is_evaluated(shards, folder, out)

    assert is_kept()
    assert [name for name, value in OTHERWISE.items() if is_kept(**{name: value})] == []
    assert is_kept(report=False, maps=True, batch_size=1)  # which make no other scores


@pytest.mark.parametrize("name", ["seed-3", "seed-3/evaluation"])
def test_a_link_out_of_the_sweep_is_refused(tmp_path: Path, name: str) -> None:
    made = config(tmp_path, seeds=(3,), labels=np.arange(12) >= 6)
    (tmp_path / "sweep" / name).parent.mkdir(parents=True)
    (tmp_path / "sweep" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match=f"sweep/{name}: found a link to {tmp_path}/elsewhere"):
        sweep(made)


def test_a_command_that_fails_ends_the_sweep(tmp_path: Path) -> None:
    made = config(tmp_path, seeds=(3,), labels=np.arange(12) >= 6)
    with pytest.raises(CommandError, match=r"train .*seed-3.*: exit code 2"):
        sweep(dataclasses.replace(made, train_options=("--batch-size", "0")))


def test_a_set_without_labels_is_refused_before_it_is_trained_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"shards: found no frame labels .*; preprocess with --labels"):
        sweep(config(tmp_path, seeds=(3,), labels=None))
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("to", ["the sweep", "all its processes"])
def test_a_sweep_that_is_stopped_lets_its_training_save(
    number: signal.Signals, to: str, tmp_path: Path
) -> None:
    made = config(tmp_path, seeds=(3,), labels=np.arange(12) >= 6)
    args = command("sweep", made.shards, made.out, "--seeds", "3,4", "--epochs", "200", "--log-every", "1")
    run = tmp_path / "sweep/seed-3"
    with started(args) as process:
        wait_for_step(run, 2, process)
        os.killpg(process.pid, number) if to == "all its processes" else process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)  # ends when no process holds the pipes any more
    assert process.returncode == 1, out + err
    assert f"error: {run}: stopped by {number.name} after step" in err
    assert err.splitlines()[-1].startswith("error: train")
    assert len(list((run / "checkpoints").glob("model-*"))) == 1
    assert not (tmp_path / "sweep/seed-4").exists()


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", (0, 1, 2)), ("4,2", (4, 2)), ("3,", (3,)), (2, (0, 1)), ([5, 7], (5, 7))]
)
def test_seeds_are_a_number_or_a_list(text: Any, seeds: tuple[int, ...]) -> None:
    assert SEEDS.parse(text) == seeds


def test_seeds_of_another_form_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["sweep", "shards", str(tmp_path), "--seeds", "many"])
    assert result.exit_code == 2
    assert result.stderr == "error: --seeds: found 'many', expected a number of seeds or a list 0,3,7\n"


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1, 2)])
def test_seeds_are_different_and_not_negative(seeds: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="--seeds"):
        SweepConfig(shards="s", out="o", seeds=seeds)


@pytest.mark.parametrize("given", ["--seed", "--seed=3", "--device=cpu", "--shards=other", "--run=other"])
def test_what_the_sweep_gives_each_training_is_not_given_again(given: str) -> None:
    with pytest.raises(ConfigError, match=f"{given.partition('=')[0]}: found among the options of train"):
        SweepConfig(shards="s", out="o", train_options=("--epochs=2", given))


def test_a_sweep_trains_and_evaluates_on_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, ...]] = []
    monkeypatch.setattr("pipeline.sweep.run.run_command", lambda *words: commands.append(words))
    shards = config(tmp_path, seeds=(1,), labels=np.arange(12) >= 6).shards
    words = ["sweep", shards, str(tmp_path / "out"), "--epochs", "2", "--device", "cpu", "--seeds=1"]
    CliRunner().invoke(cli.main, words)
    assert [given[0] for given in commands] == ["train", "evaluate"]
    for given in commands:
        assert given[given.index("--device") :][:2] == ("--device", "cpu")
