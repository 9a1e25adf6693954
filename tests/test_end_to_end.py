"""The whole way through: video in; shards, a checkpoint, scores and an AUC out."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from cli import main
from tests.helpers.commands import command, run


def call(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set") / "videos"
    call("synthesize", folder, "--training-clips", 2, "--testing-clips", 2, "--frames", 40)
    return folder


@pytest.mark.parametrize("method", ["pred", "recon"])
def test_a_folder_of_video_becomes_frame_scores_and_an_auc(videos: Path, method: str, tmp_path: Path) -> None:
    shards, trained = tmp_path / "shards", tmp_path / "run"
    assert "label" in call("preprocess", videos, shards, "--size", 16)
    call("train", shards, trained, "--method", method, "--epochs", 1, "--batch-size", 8)
    printed = call("evaluate", shards, trained, "--out", tmp_path / "scores", "--no-report")

    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert f"AUC {100 * metrics['auc']:.2f} %" in printed
    table = pq.read_table(tmp_path / "scores" / "scores").to_pydict()
    first = 4 if method == "pred" else 0
    assert table["frame"] == [*range(first, 40)] * 2
    labels = np.load(videos / "frame_labels.npy").reshape(2, 40)[:, first:]
    assert table["label"] == labels.ravel().tolist()
    assert metrics["auc"] == pytest.approx(roc_auc_score(table["label"], table["anomaly_score"]))


@pytest.mark.ddp
def test_two_processes_train_and_evaluate_the_same_set(videos: Path, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    call("preprocess", videos, shards, "--size", 16)
    train = command("train", shards, tmp_path / "run", "--epochs", 1, "--batch-size", 8, processes=2)
    done = run(train)
    assert done.returncode == 0, done.stderr
    evaluate = ["evaluate", shards, tmp_path / "run", "--memory", "video", "--no-report", "--out"]
    done = run(command(*evaluate, tmp_path / "two", processes=2))
    assert done.returncode == 0, done.stderr
    call(*evaluate, tmp_path / "one")
    assert len(list((tmp_path / "two" / "scores").iterdir())) == 2
    order = [("video", "ascending"), ("frame", "ascending")]
    one, two = (pq.read_table(tmp_path / name / "scores").sort_by(order) for name in ("one", "two"))
    assert one["frame"].equals(two["frame"])
    np.testing.assert_allclose(one["psnr"].to_numpy(), two["psnr"].to_numpy(), atol=1e-3)
