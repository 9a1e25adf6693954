"""Checkpoints, training states and published weights from strangers: refused within bounds, in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import CheckpointError
from pipeline.runs.checkpoint import checkpoint_from_bytes
from tests.helpers import harmful, published
from tests.helpers.limits import limited

SECONDS = 5.0
"""Of CPU time, in which each file is refused."""
MEGABYTES = 600
"""Taken at most; a file of 256 MB is the largest that is read."""

IMPORTS = """
import json, pathlib, sys, time
from pipeline.runs.checkpoint import load_checkpoint, load_training_state
from pipeline.import_reference.config import ImportConfig
from pipeline.import_reference.run import import_reference
from shards.storage import Storage
"""
READ_EACH = """
def memory():
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

folder = pathlib.Path(sys.argv[1])
def checkpoint(path):
    load_checkpoint(str(path))
def training(path):
    load_training_state(Storage(path), 0)
def model(path):
    import_reference(ImportConfig(model=str(path), keys=str(folder / "keys.pt"), out=str(folder / "out")))
def keys(path):
    import_reference(ImportConfig(model=str(folder / "model.pth"), keys=str(path), out=str(folder / "out")))

from pipeline.runs.spec import ModelSpec
ModelSpec(method="recon", window=1, items=2, height=None, width=None).build()  # for its imports
for path in sorted(folder.glob("attack-*")):
    started, start, outcome = time.process_time(), memory(), None
    try:
        {reader}(path)
    except Exception as refusal:
        outcome = [type(refusal).__name__, str(refusal)]
    with (folder / "outcomes.jsonl").open("a") as file:
        line = {{"attack": path.name, "error": outcome, "seconds": time.process_time() - started}}
        file.write(json.dumps({{**line, "bytes": memory() - start}}) + chr(10))
"""


def assert_all_refused(folder: Path, reader: str, attacks: dict[str, Callable[[], bytes]]) -> None:
    """Every attack, by one reader in one process of limited memory, ends in one line and in time."""
    for number, build in enumerate(attacks.values()):
        path = folder / f"attack-{number:02d}"
        if reader == "training":
            path /= "checkpoints/training-00000000.pt"
            path.parent.mkdir(parents=True)
        elif reader == "checkpoint":
            path = path.with_suffix(".safetensors")
        path.write_bytes(build())
    measured = limited(READ_EACH.format(reader=reader), folder, imports=IMPORTS, seconds=120)
    assert measured.error is None
    outcomes = [json.loads(line) for line in (folder / "outcomes.jsonl").read_text().splitlines()]
    assert len(outcomes) == len(attacks)
    for name, found in zip(attacks, outcomes, strict=True):
        assert found["error"] is not None, f"{name}: was read"
        kind, message = found["error"]
        assert kind == "CheckpointError", f"{name}: {kind}: {message}"
        assert "\n" not in message
        assert found["attack"] in message, f"{name}: {message} does not name the file"
        assert found["seconds"] < SECONDS, f"{name}: took {found['seconds']:.1f} s"
        assert found["bytes"] < MEGABYTES << 20, f"{name}: took {found['bytes'] >> 20} MB"


def test_harmful_checkpoints_are_refused_within_bounds(tmp_path: Path) -> None:
    assert_all_refused(tmp_path, "checkpoint", harmful.CHECKPOINTS)


@pytest.mark.slow
def test_harmful_training_states_are_refused_within_bounds(tmp_path: Path) -> None:
    assert_all_refused(tmp_path, "training", harmful.PICKLES)


@pytest.mark.slow
def test_harmful_published_models_are_refused_within_bounds(tmp_path: Path) -> None:
    (tmp_path / "keys.pt").write_bytes(harmful.good_keys())
    assert_all_refused(tmp_path, "model", harmful.PICKLES)


@pytest.mark.slow
def test_harmful_memory_items_are_refused_within_bounds(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(published.save(published.state_dict("recon")))
    assert_all_refused(tmp_path, "keys", harmful.PICKLES)


def test_a_file_of_holes_is_refused_by_its_size(tmp_path: Path) -> None:
    for name in ("attack.safetensors", "keys.pt"):
        with (tmp_path / name).open("wb") as file:
            file.write(harmful.claiming(items=3_000_000))
            file.truncate(6 << 30)
    body = 'load_checkpoint(sys.argv[1] + "/attack.safetensors")'
    measured = limited(body, tmp_path, imports=IMPORTS)
    assert measured.error is not None
    assert measured.error[1].startswith(f"{tmp_path}/attack.safetensors: found 6442450944 bytes, expected at")
    (tmp_path / "model.pth").write_bytes(published.save(published.state_dict("recon")))
    body = """
    folder = sys.argv[1]
    import_reference(ImportConfig(model=f"{folder}/model.pth", keys=f"{folder}/keys.pt", out=f"{folder}/out"))
    """
    measured = limited(body, tmp_path, imports=IMPORTS)
    assert measured.error is not None
    assert "keys.pt: found 6442450944 bytes, expected at most" in measured.error[1]


@pytest.mark.parametrize("name", harmful.UNTRAINED)
def test_weights_that_no_trained_model_has_are_refused_by_name(name: str) -> None:
    changed, message = harmful.UNTRAINED[name]
    with pytest.raises(CheckpointError, match=rf"^file: {message}; ") as error:
        checkpoint_from_bytes(harmful.good_checkpoint(**changed), "file")
    assert "\n" not in str(error.value)


def test_a_good_checkpoint_is_read() -> None:
    assert checkpoint_from_bytes(harmful.good_checkpoint(), "file").spec == harmful.SPEC
