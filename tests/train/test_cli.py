"""The commands train and sweep, from the command line."""

import dataclasses
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import cli
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.train.config import TrainConfig
from tests.helpers.shards import make_set, smooth_frames


def shards(folder: Path) -> str:
    make_set(folder / "shards", {"training": [smooth_frames(6, (16, 16))]})
    return str(folder / "shards")


def test_train_writes_a_run_and_says_where(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    result = CliRunner().invoke(
        cli.main, ["train", shards(tmp_path), run, "--epochs", "0", "--method", "recon"]
    )
    assert result.exit_code == 0, result.output
    assert "model-00000000.safetensors: 0 steps in 0 epochs" in result.output
    assert load_checkpoint(run).spec.method == "recon"


def test_progress_tells_speed_losses_and_time_waited(tmp_path: Path) -> None:
    arguments = ["train", shards(tmp_path), str(tmp_path / "run"), "--epochs", "1", "--batch-size", "2"]
    last = CliRunner().invoke(cli.main, arguments).stderr.splitlines()[-1]
    number = r"[\d.e+-]+"
    losses = f"pixel {number}, compact {number}, separate {number}"
    assert re.fullmatch(
        rf"train: 1/1 steps, {number} s, loss {number}, {number} samples/s, \d+% waiting for data, {losses}",
        last,
    ), last


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--epochs", "many"], 2, "error: --epochs: found 'many', expected a whole number\n"),
        (["--window", "1"], 2, "error: --window: found 1, expected at least 2 for prediction"),
        (["--batch-size", "9"], 2, "expected at least 9, one batch in each process"),
    ],
)
def test_wrong_options_are_usage_errors(
    arguments: list[str], code: int, message: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(cli.main, ["train", shards(tmp_path), str(tmp_path / "run"), *arguments])
    assert result.exit_code == code
    assert message in result.output


def test_a_missing_set_is_one_line_with_a_remedy(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["train", str(tmp_path / "none"), str(tmp_path / "run")])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "manifest.json: not found" in result.output
    assert "run preprocess" in result.output


def test_a_file_sets_options_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "options.toml"
    file.write_text('[train]\nmethod = "recon"\nepochs = 0\nmemory_items = 7\nseed = 4\n')
    run = str(tmp_path / "run")
    arguments = ["--config", str(file), "train", shards(tmp_path), run, "--memory-items", "5"]
    assert CliRunner().invoke(cli.main, arguments).exit_code == 0
    found = load_checkpoint(run)
    assert (found.spec.method, found.spec.items, found.origin["options"]["seed"]) == ("recon", 5, 4)


def test_help_groups_options_with_their_defaults() -> None:
    text = CliRunner().invoke(cli.main, ["train", "--help"]).output
    for heading in ("Method:", "Optimisation:", "Computation:", "Run:"):
        assert heading in text
    assert "pred 5, recon 1" in text


def test_every_field_of_the_configuration_has_its_option() -> None:
    options = {parameter.name for parameter in cli.main.commands["train"].params}
    assert options == {field.name for field in dataclasses.fields(TrainConfig)} | {"preset"}


def test_sweep_refuses_a_seed_for_train(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.main, ["sweep", "shards", str(tmp_path), "--seeds", "2", "--seed", "4"])
    assert result.exit_code == 2
    assert "expected --seeds of the sweep" in result.output
