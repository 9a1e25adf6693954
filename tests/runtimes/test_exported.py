"""An exported folder from anywhere is what it says, or is refused in one line."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.errors import CheckpointError
from pipeline.export.material import generated
from pipeline.runtimes.exported import (
    CHECK,
    MODEL,
    RECORD,
    ExportRecord,
    Tolerance,
    compare,
    load_exported,
    made_check,
    stored,
)
from pipeline.runtimes.with_torch import torch_runtime
from tests.helpers.checkpoints import golden_checkpoint

SIZE = 16


@pytest.fixture(scope="module")
def whole() -> dict[str, bytes]:
    """The files of a model in PyTorch."""
    checkpoint = golden_checkpoint("pred", SIZE)
    model = checkpoint.model()
    windows = generated(checkpoint, (SIZE, SIZE), 16)
    check = made_check(torch_runtime(model, SIZE, SIZE), windows, model.memory.items, frozen=False)
    assert 0 < (check["point_score"] < check["threshold"]).sum() < 16
    buffer = io.BytesIO()
    np.savez(buffer, **check)  # type: ignore[arg-type]
    files = {MODEL["torch"][0]: checkpoint.to_bytes(), CHECK: buffer.getvalue()}
    record = ExportRecord(
        runtime="torch",
        precision="fp32",
        method="pred",
        window=5,
        items=10,
        height=SIZE,
        width=SIZE,
        channel_order="BGR",
        rate=10.0,
        threshold=0.01,
        score="local",
        boxes=(3, 5),
        box=3,
        checkpoint="",
        code_version="",
        check="generated frames",
        tolerance=Tolerance(db=1e-3, memory=1e-5),
        alarm=None,
        movement=None,
        files={name: stored(data) for name, data in files.items()},
    )
    return {**files, RECORD: record.to_json()}


@pytest.fixture
def folder(tmp_path: Path, whole: dict[str, bytes]) -> Path:
    for name, data in whole.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    record = json.loads((folder / RECORD).read_text())
    change(record)
    (folder / RECORD).write_text(json.dumps(record))


def replaced(folder: Path, arrays: dict[str, np.ndarray], save: Callable[..., None] = np.savez) -> None:
    """Write other arrays as the check, and its digest into the record."""
    buffer = io.BytesIO()
    save(buffer, **arrays)
    (folder / CHECK).write_bytes(buffer.getvalue())
    known = stored(buffer.getvalue())
    rewritten(folder, lambda r: r["files"].update({CHECK: {"sha256": known.sha256, "bytes": known.bytes}}))


def test_a_whole_folder_is_loaded_and_gives_the_trained_memory(folder: Path) -> None:
    exported = load_exported(str(folder))
    assert exported.record.rate == 10
    np.testing.assert_array_equal(exported.memory, golden_checkpoint("pred", SIZE).tensors["memory.items"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["files"].update({"../other": r["files"][CHECK]}), "found files"),
        (lambda r: r["files"].pop(CHECK), "found files"),
        (lambda r: r["files"][CHECK].update(bytes=1 << 40), "at most"),
        (lambda r: r["files"][CHECK].update(bytes=-1), "at most"),
        (lambda r: r["files"][CHECK].update(sha256="0" * 64), "digest"),
        (lambda r: r.update(height=1 << 19, width=1 << 19), "size"),
        (lambda r: r.update(height=24), "not a check of this model"),
        (lambda r: r.update(height=8, width=8192), "size"),
        (lambda r: r.update(items=11), "not a check of this model"),
        (lambda r: r.update(window=0), "window"),
        (lambda r: r.update(runtime="shell"), "runtime"),
        (lambda r: r.update(rate=-1.0), "rate"),
        (lambda r: r["tolerance"].update(db=1e9), "tolerance"),
        (lambda r: r.update(version=2), "version 1"),
    ],
)
def test_what_model_json_claims_is_held_against_the_files(
    folder: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    rewritten(folder, change)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_exported(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [RECORD, CHECK, *MODEL["torch"]])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"{name}: not found"):
        load_exported(str(folder))


def test_a_flipped_bit_is_found_by_the_digest(folder: Path) -> None:
    data = bytearray((folder / CHECK).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / CHECK).write_bytes(data)
    with pytest.raises(CheckpointError, match=f"{CHECK}: its content does not match"):
        load_exported(str(folder))


def test_a_model_that_does_not_give_the_scores_of_its_check_is_refused(folder: Path) -> None:
    with np.load(folder / CHECK) as file:
        arrays = {name: file[name] for name in file.files}
    arrays["psnr"] = arrays["psnr"] + np.float32(0.01)
    replaced(folder, arrays)
    with pytest.raises(CheckpointError, match=r"psnr differs by 0\.01"):
        load_exported(str(folder))


def test_windows_of_a_size_that_the_file_does_not_have_are_refused(folder: Path) -> None:
    with np.load(folder / CHECK) as file:
        arrays = {name: np.zeros_like(file[name]) for name in file.files}
    replaced(folder, arrays, np.savez_compressed)
    with pytest.raises(CheckpointError, match=f"{CHECK}: not a check.*of windows alone"):
        load_exported(str(folder))


class Broken:
    """A runtime whose step is another than that of the check."""

    def __init__(self, step: Callable[[Any], Any]) -> None:
        self.step = step


def test_a_model_that_does_not_run_is_refused_in_one_line(folder: Path) -> None:
    exported = load_exported(str(folder))
    with np.load(folder / CHECK) as file:
        check = {name: file[name] for name in file.files}

    def failing(_inputs: Any) -> Any:
        raise RuntimeError("shapes\ndo not fit")

    def scalar(inputs: Any) -> Any:
        return exported.runtime.step(inputs)._replace(psnr=torch.tensor(1.0))

    for step, message in ((failing, "does not run"), (scalar, r"psnr of \(\), expected \(1,\)")):
        with pytest.raises(CheckpointError, match=message) as caught:
            compare(Broken(step), check, exported.record.tolerance, "model.onnx")  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
