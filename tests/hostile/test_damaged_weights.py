"""Damaged checkpoints and training states are read as they were written, or refused in one line."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from mnad import MNAD
from pipeline.errors import CheckpointError
from pipeline.runs.checkpoint import Checkpoint, checkpoint_from_bytes
from pipeline.runs.layout import training_name
from pipeline.train.restoring import restored_state
from shards.storage import Storage
from tests.helpers import harmful
from tests.helpers.mutation import mutated_bytes, mutated_json

GOOD = harmful.good_checkpoint()
HEAD = int.from_bytes(GOOD[:8], "little") + 8
READ = checkpoint_from_bytes(GOOD, "file")
STEP, STEPS = 7, 5

slow_files = settings(deadline=None, suppress_health_check=list(HealthCheck))


def same(found: Checkpoint, expected: Checkpoint) -> bool:
    names = ("spec", "step", "epoch", "origin")
    return all(getattr(found, name) == getattr(expected, name) for name in names) and all(
        torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items()
    )


def assert_same_or_refused(data: bytes) -> None:
    try:
        assert same(checkpoint_from_bytes(data, "file"), READ)
    except CheckpointError as error:
        assert str(error).startswith("file: ")
        assert "\n" not in str(error)


@given(head=mutated_bytes(GOOD[:HEAD]))
@settings(slow_files, max_examples=60)
def test_a_damaged_header(head: bytes) -> None:
    assert_same_or_refused(head + GOOD[HEAD:])


@given(data=mutated_bytes(GOOD))
@settings(slow_files, max_examples=15)
def test_damaged_values(data: bytes) -> None:
    assert_same_or_refused(data)


def fields() -> Any:
    header = json.loads(GOOD[8:HEAD])
    return json.loads(header["__metadata__"]["mnad"])


@given(record=mutated_json(fields()))
@settings(slow_files, max_examples=60)
def test_a_header_with_odd_values(record: bytes) -> None:
    header = json.loads(GOOD[8:HEAD])
    header["__metadata__"]["mnad"] = record.decode("utf-8", "surrogatepass")
    assert_same_or_refused(harmful.with_header(json.dumps(header).encode(), GOOD[HEAD:]))


@given(header=mutated_json(json.loads(GOOD[8:HEAD])))
@settings(slow_files, max_examples=60)
def test_a_list_of_tensors_with_odd_values(header: bytes) -> None:
    assert_same_or_refused(harmful.with_header(header, GOOD[HEAD:]))


def training_state() -> tuple[torch.nn.Module, dict[str, Any]]:
    """A small module, and what training of it would save after step 7 of epochs of 5."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = torch.nn.Linear(3, 2)
        optimizer = torch.optim.Adam(module.parameters(), fused=True)
        for _ in range(STEP):
            module(torch.randn(4, 3)).square().sum().backward()
            optimizer.step()
    scaler = torch.amp.GradScaler("cpu", enabled=True)
    state: dict[str, Any] = {"optimizer": optimizer.state_dict(), "scaler": scaler.state_dict()}
    state |= {"model": module.state_dict(), "averaged": STEP}
    state["losses"] = torch.rand(STEPS, 3, dtype=torch.float64)[: STEP % STEPS]
    return module, state


MODULE, STATE = training_state()


def saved(state: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def restored(folder: Path, data: bytes) -> dict[str, Any]:
    run = Storage(folder)
    run.write(training_name(STEP), data)
    return restored_state(run, STEP, cast(MNAD, MODULE), steps=5, averaged=True, scaled=True)


def leaves(value: Any) -> list[Any]:
    """What a state holds, settings of the optimiser left out, in order."""
    if isinstance(value, dict):
        return [leaf for key, each in value.items() if key != "param_groups" for leaf in [key, *leaves(each)]]
    return [value.tolist()] if isinstance(value, torch.Tensor) else [value]


def test_a_training_state_survives_the_disk(tmp_path: Path) -> None:
    assert leaves(restored(tmp_path, saved(STATE))) == leaves(STATE)


@given(data=mutated_bytes(saved(STATE)))
@settings(slow_files, max_examples=300)
def test_a_damaged_training_state(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    try:
        assert leaves(restored(tmp_path_factory.getbasetemp() / "damaged", data)) == leaves(STATE)
    except CheckpointError as error:
        assert f"damaged/{training_name(STEP)}: " in str(error)
        assert "\n" not in str(error)


def with_pickle(pickled: bytes) -> bytes:
    """The training state with another pickle, whose checksum is right."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(STATE))) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("/data.pkl") else old.read(name))
    return buffer.getvalue()


def pickle_of_state() -> bytes:
    with zipfile.ZipFile(io.BytesIO(saved(STATE))) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("/data.pkl")))


@given(pickled=mutated_bytes(pickle_of_state()))
@settings(slow_files, max_examples=300)
def test_a_forged_pickle_is_a_state_that_fits_or_refused(
    pickled: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        state = restored(tmp_path_factory.getbasetemp() / "forged", with_pickle(pickled))
    except CheckpointError as error:
        assert "\n" not in str(error)
        return
    assert len(leaves(state)) == len(leaves(STATE))


def changed(path: str, value: Any) -> dict[str, Any]:
    """The state with one value, named by its keys, replaced."""
    *parents, last = (int(key) if key.isdecimal() else key for key in path.split("/"))
    state = {name: part.copy() if isinstance(part, dict) else part for name, part in STATE.items()}
    place: Any = state
    for key in parents:
        place[key] = place[key].copy()
        place = place[key]
    place[last] = value
    return state


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("optimizer/state/0/exp_avg", torch.zeros(1).expand(2, 10**7), r"found tensors of more bytes"),
        (
            "optimizer/state/0/exp_avg",
            torch.zeros(2, 4),
            r"found 0\.exp_avg of float32 \[2, 4\], expected float32",
        ),
        ("optimizer/state/0/exp_avg", torch.zeros(2, 3).int(), r"found 0\.exp_avg of int32 \[2, 3\]"),
        ("optimizer/state/1/exp_avg_sq", -torch.ones(2), r"found 1\.exp_avg_sq with negative values"),
        (
            "optimizer/state/1/exp_avg",
            torch.tensor([1, float("nan")]),
            r"found 1\.exp_avg with values that are",
        ),
        ("optimizer/state/0/step", torch.tensor(8.0), r"found 0\.step 8\.0, expected up to 7"),
        ("optimizer/state", {}, None),
        ("optimizer/state", {0: 1}, r"found optimizer state \[0\], expected 0, 1"),
        (
            "optimizer/state/0",
            {"step": 1},
            r"found optimizer state of 0 \['step'\], expected exp_avg, exp_avg_sq",
        ),
        ("scaler/scale", float("inf"), r"found scale inf, expected a positive number"),
        ("scaler", {}, r"found scaler \[\], expected _growth_tracker"),
        ("model/weight", torch.full((2, 3), float("inf")), r"found weight with values that are no numbers"),
        ("averaged", -1, r"found averaged -1, expected steps up to 7"),
        ("losses", None, r"found no tensor losses, expected float64 \[2, 3\]"),
        ("losses", torch.rand(3, 3).double(), r"found losses of float64 \[3, 3\], expected float64 \[2, 3\]"),
        ("extra", 1, r"found entries \['optimizer', .*'extra'\], expected averaged, losses"),
    ],
)
def test_a_training_state_that_training_cannot_have_made(
    path: str, value: Any, message: str | None, tmp_path: Path
) -> None:
    data = saved(changed(path, value))
    if message is None:  # with fp16, steps may have been left out so far
        assert restored(tmp_path, data)["optimizer"]["state"] == {}
        return
    with pytest.raises(CheckpointError, match=message) as error:
        restored(tmp_path, data)
    assert str(error.value).startswith(f"{tmp_path}/{training_name(STEP)}: ")
    assert str(error.value).endswith("; delete the files of step 7 to go on from the checkpoint before")
