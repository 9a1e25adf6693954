"""What several processes print when they fail: once what all share, and what is one's own with its rank."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.ranks import run_ranks
from tests.helpers.shards import make_set, random_frames

pytestmark = pytest.mark.ddp


def invoke(*arguments: str) -> tuple[int, str]:
    """Exit code and standard error of a command, here in this process."""
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return result.exit_code, result.stderr


def shards(folder: Path) -> str:
    make_set(folder / "shards", {"training": [random_frames(9)], "testing": [random_frames(9)]})
    return str(folder / "shards")


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_wrong_path_is_told_once(command: str, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    extra = ["--memory", "video"] if command == "evaluate" else []
    first, second = run_ranks(2, invoke, command, nowhere, str(tmp_path / "run"), *extra)
    assert first[0] == 1
    assert first[1].startswith(f"error: rank 0: {nowhere}/manifest.json: not found")
    assert second == (1, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--window", "1"], "error: rank 0: --window: found 1, expected at least 2"),
        (["--batch-size", "9"], "expected at least 18, one batch in each process"),
        (["--epochs", "many"], "--epochs: found 'many', expected a whole number"),
        (["--bogus"], "No such option"),
    ],
)
def test_a_wrong_option_is_told_once(options: list[str], message: str, tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    (code, text), second = run_ranks(2, invoke, "train", shards(tmp_path), run, *options)
    assert code == 2
    assert message in text
    assert second == (2, "")


def test_a_checkpoint_that_does_not_fit_is_told_once(tmp_path: Path) -> None:
    model = make_checkpoint(tmp_path / "model.safetensors", size=(64, 64)).name
    first, second = run_ranks(2, invoke, "evaluate", shards(tmp_path), model, "--memory", "video")
    assert "found frames of 16x16x3 BGR, expected 64x64x3 BGR" in first[1]
    assert (first[0], second) == (1, (1, ""))


def invoke_with_a_set_of_its_own(folder: str) -> tuple[int, str]:
    """Train in two processes of which the second finds no shards, as where a disk is not mounted."""
    mine = f"{folder}/missing" if os.environ["RANK"] == "1" else f"{folder}/shards"
    return invoke("train", mine, f"{folder}/run", "--batch-size", "1")


def test_an_error_of_one_process_is_told_by_it_with_its_rank(tmp_path: Path) -> None:
    shards(tmp_path)
    first, second = run_ranks(2, invoke_with_a_set_of_its_own, str(tmp_path))
    assert first == (1, "")
    assert second[0] == 1
    assert second[1].startswith(f"error: rank 1: {tmp_path}/missing/manifest.json: not found")
