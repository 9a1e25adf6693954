"""Shards, checkpoint and results in a real object store, all named by URIs with credentials and a query."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from pyarrow import fs

from cli import main
from shards.locations import inside
from shards.storage import Storage
from tests.helpers.checkpoints import make_checkpoint
from tests.helpers.objectstore import SECRETS, ObjectStore, leaks, object_store
from tests.helpers.shards import make_set, smooth_frames

pytestmark = pytest.mark.slow

SIZE = (16, 24)
MODEL = "checkpoints/model-00000003.safetensors"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """A store with a shard set and a run."""
    folder = tmp_path_factory.mktemp("work")
    labels = [smooth_frames(12, SIZE)[:, 0, 0, 0] > 128]
    make_set(folder / "set", {"testing": [smooth_frames(12, SIZE)]}, labels=labels)
    make_checkpoint(folder / "run" / MODEL, size=SIZE)
    with object_store(tmp_path_factory.mktemp("store")) as running:
        for name in ("set", "run"):
            fs.copy_files(
                str(folder / name),
                f"tests/{name}",
                source_filesystem=fs.LocalFileSystem(),
                destination_filesystem=running.files(),
            )
        yield running


@pytest.mark.parametrize("name", ["", MODEL])
def test_a_run_or_a_checkpoint_file_is_evaluated_and_credentials_show_nowhere(
    store: ObjectStore, name: str
) -> None:
    run = store.location("run")
    checkpoint = inside(run, name) if name else run
    done = CliRunner().invoke(main, ["evaluate", store.location("set"), checkpoint])
    assert done.exit_code == 0, done.output
    assert "scores: s3://tests/run/evaluation-set/scores\n" in done.output
    out = Storage(inside(run, "evaluation-set"))
    metrics = json.loads(out.read("metrics.json", most=1 << 30))
    assert metrics["config"]["checkpoint"] == f"s3://tests/run/{name}".rstrip("/")
    assert metrics["provenance"]["checkpoint"] == f"s3://tests/run/{MODEL}"
    again = CliRunner().invoke(main, ["report", inside(run, "evaluation-set")])
    assert again.output == "report: s3://tests/run/evaluation-set/report.html\n"
    page = store.location("pages/one.html")
    elsewhere = CliRunner().invoke(main, ["report", inside(run, "evaluation-set"), "--out", page])
    assert elsewhere.output == "report: s3://tests/pages/one.html\n"
    assert Storage(store.location("pages")).read("one.html", most=1 << 30) == out.read(
        "report.html", most=1 << 20
    )
    files = [name for name, _, _ in out.walk()]
    assert "config.toml" in files
    assert leaks(out) == []
    assert [secret for secret in SECRETS if secret in done.output] == []
    for file in files:
        out.delete(file)


def test_what_is_missing_is_named_without_credentials(store: ObjectStore) -> None:
    for name, complaint in (
        ("nowhere", "s3://tests/nowhere: no checkpoint found"),
        ("nowhere/m.safetensors", "s3://tests/nowhere/m.safetensors: not found"),
    ):
        done = CliRunner().invoke(main, ["evaluate", store.location("set"), store.location(name)])
        assert done.exit_code == 1
        assert done.output.startswith(f"error: {complaint}")
        assert [secret for secret in SECRETS if secret in done.output] == []
    done = CliRunner().invoke(main, ["report", store.location("nowhere")])
    assert done.output.startswith("error: s3://tests/nowhere: no metrics.json found")
