"""Runs in a real object store, named by URIs with credentials and a query, through the commands of a user."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli import main
from pipeline.runs.checkpoint import load_checkpoint
from shards.choices import Split
from shards.locations import inside, shown
from shards.storage import Storage
from tests.helpers import published
from tests.helpers.commands import TIMEOUT, command, run, started
from tests.helpers.objectstore import SECRETS, ObjectStore, leaks, object_store
from tests.helpers.shards import make_set, smooth_frames

pytestmark = pytest.mark.slow

FLAGS = ("--epochs=3", "--batch-size=4", "--checkpoint-epochs=1", "--log-every=1", "--precision=fp32")
STEPS_PER_EPOCH = 4
LAST = "checkpoints/model-00000012.safetensors"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A store with a shard set of normal and abnormal frames."""
    with object_store(tmp_path_factory.mktemp("store")) as running:
        make_shards(running.location("set"))
        yield running


def make_shards(location: str) -> None:
    videos: dict[Split, list[np.ndarray]] = {
        "training": [smooth_frames(12, (16, 16), seed=seed) for seed in (1, 2)],
        "testing": [smooth_frames(12, (16, 16), seed=4)],
    }
    make_set(location, videos, labels=[np.arange(12) >= 6])


def discreet(output: str) -> str:
    """What was printed, which holds no secret."""
    assert [secret for secret in SECRETS if secret in output] == []
    return output


def printed(args: list[str]) -> str:
    """What a command prints that ends well."""
    done = run(args)
    assert done.returncode == 0, done.stderr
    return discreet(done.stdout + done.stderr)


def wait_for(storage: Storage, name: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not storage.exists(name):
        assert time.monotonic() < deadline, f"{storage}/{name} does not appear in {TIMEOUT} s"
        time.sleep(0.05)


def test_a_run_in_a_bucket_stops_goes_on_and_is_validated_and_evaluated(
    store: ObjectStore, tmp_path: Path
) -> None:
    shards, folder = store.location("set"), store.location("runs/x")
    storage = Storage(folder)
    args = command("train", shards, folder, *FLAGS, f"--validate={shards}", "--every=3")
    with started(args) as process:
        wait_for(storage, f"checkpoints/model-{STEPS_PER_EPOCH:08d}.safetensors")
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, err
    last = discreet(out + err).splitlines()[-1]
    assert last.startswith("error: s3://tests/runs/x: stopped by SIGTERM after step")

    assert f"s3://tests/runs/x/{LAST}: 12 steps in 3 epochs" in printed(args)
    make_shards(str(tmp_path / "set"))
    printed(command("train", tmp_path / "set", tmp_path / "unbroken", *FLAGS))
    assert storage.read(LAST, most=1 << 30) == (tmp_path / "unbroken" / LAST).read_bytes()
    lines = [json.loads(line) for line in storage.read("metrics.jsonl", most=1 << 30).splitlines()]
    assert [line["step"] for line in lines if line["kind"] == "step"] == list(range(1, 13))
    assert [line["step"] for line in lines if line["kind"] == "validation"] == [12]
    assert storage.exists("validation/step-00000012/metrics.json")

    output = printed(command("evaluate", shards, folder, "--no-report"))
    assert "scores: s3://tests/runs/x/evaluation-set/scores" in output
    config = storage.read("config.toml", most=1 << 30).decode()
    assert 'run = "s3://tests/runs/x"\nmethod' in config
    assert 'validate = "s3://tests/set"\n' in config
    assert leaks(storage) == []


def test_a_sweep_in_a_bucket_reports_its_runs(store: ObjectStore) -> None:
    shards, out = store.location("set"), store.location("sweep")
    options = ("--seeds=1", "--epochs=0", "--validate", shards)
    printed(command("sweep", shards, out, *options))
    result = json.loads(Storage(out).read("sweep.json", most=1 << 30))
    assert result["shards"] == "s3://tests/set"
    assert result["train_options"] == ["--epochs=0", "--validate", "s3://tests/set"]
    evaluated = json.loads(Storage(inside(out, "seed-0/evaluation")).read("metrics.json", most=1 << 30))
    assert result["figures"]["AUC"]["values"] == {"0": evaluated["auc"]}
    assert leaks(Storage(out)) == []


@pytest.mark.parametrize("name", ["imported", "imported.safetensors"])
def test_published_weights_in_a_bucket_become_a_checkpoint_in_it(store: ObjectStore, name: str) -> None:
    files = Storage(store.location("published"))
    files.write("model.pth", published.save(published.state_dict("recon")))
    files.write("keys.pt", published.save(published.keys()))
    model, keys = store.location("published/model.pth"), store.location("published/keys.pt")
    out = store.location(f"models/{name}")
    done = CliRunner().invoke(main, ["import-reference", model, keys, out])
    assert done.exit_code == 0, done.output
    checkpoint = load_checkpoint(out)
    assert f"checkpoint: {checkpoint.name}\n" in discreet(done.output)
    assert checkpoint.name.startswith(shown(out))
    assert checkpoint.origin["imported"]["model"] == "model.pth"
    assert leaks(Storage(store.location("models"))) == []


def test_what_fails_is_named_without_credentials(store: ObjectStore) -> None:
    shards, nowhere, out = (store.location(name) for name in ("set", "nowhere", "out"))
    for args, message in (
        (("train", nowhere, out), "error: s3://tests/nowhere/manifest.json: not found"),
        (("train", shards, out, "--batch-size=99"), "error: s3://tests/set: found 16 training windows"),
        (("sweep", nowhere, out), "error: s3://tests/nowhere/manifest.json: not found"),
        (
            ("sweep", shards, out, "--batch-size=0"),
            "error: train s3://tests/set s3://tests/out/seed-0 --seed 0 --device auto --batch-size=0: exit",
        ),
        (("import-reference", inside(nowhere, "m.pth"), shards, out), "s3://tests/nowhere/m.pth: not found"),
        (("import-reference", inside(shards, "manifest.json"), shards, out), "s3://tests/set: not found"),
    ):
        done = CliRunner().invoke(main, args)
        assert done.exit_code in (1, 2)
        assert message in discreet(done.output), args
