"""`import-reference`: published files in every form, and files that must be refused."""

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from cli import main
from mnad.model import Task
from pipeline.errors import CheckpointError, ConfigError
from pipeline.import_reference.config import ImportConfig
from pipeline.import_reference.run import import_reference
from pipeline.import_reference.weights import our_name
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.runs.torchfile import read_torch_file
from tests.helpers import published

GOLDEN = Path(__file__).parents[2].parent / "shared" / "golden"


@pytest.fixture
def imported(tmp_path: Path) -> Callable[..., Any]:
    def call(model: bytes, keys: bytes | None = None, suffix: str = ".pth", **options: Any) -> Any:
        (tmp_path / f"model{suffix}").write_bytes(model)
        (tmp_path / "keys.pt").write_bytes(published.save(published.keys()) if keys is None else keys)
        out = str(tmp_path / "out.safetensors")
        config = {"model": str(tmp_path / f"model{suffix}"), "keys": str(tmp_path / "keys.pt"), "out": out}
        return import_reference(ImportConfig(**{**config, **options}))

    return call


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("task", ["pred", "recon"])
def test_a_whole_pickled_module_becomes_a_checkpoint_with_its_values(
    imported: Callable[..., Any], tmp_path: Path, task: Task, legacy: bool
) -> None:
    state = published.state_dict(task)
    imported(
        published.whole_module(state, legacy=legacy),
        published.save(published.keys(), legacy=legacy),
        size=(64, 256),
    )
    checkpoint = load_checkpoint(str(tmp_path / "out.safetensors"))
    spec = checkpoint.spec
    assert (spec.method, spec.window, spec.items) == (task, 5 if task == "pred" else 1, 10)
    assert (spec.height, spec.width, spec.channel_order) == (64, 256, "BGR")
    for ours, name in published.published_names(task).items():
        assert torch.equal(checkpoint.tensors[ours], state[name]), name
    assert torch.equal(checkpoint.tensors["memory.items"], published.keys())
    checkpoint.model()  # every weight has its place
    assert "published_model" not in sys.modules


WRAPPERS = {"in several processes": "module.", "compiled": "_orig_mod.", "both": "_orig_mod.module."}


@pytest.mark.parametrize(
    "form", ["state dict", "in several processes", "compiled", "both", "safetensors", "half precision"]
)
def test_state_dicts_import_as_well(imported: Callable[..., Any], form: str) -> None:
    state = published.state_dict("recon")
    if form == "safetensors":
        data = safetensors.torch.save({name: tensor.contiguous() for name, tensor in state.items()})
        checkpoint = imported(data, suffix=".safetensors")
    elif form in WRAPPERS:
        wrapped = {f"{WRAPPERS[form]}{name}": tensor for name, tensor in state.items()}
        checkpoint = imported(published.save(wrapped), suffix=".pt")
    elif form == "half precision":
        state = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
        checkpoint = imported(published.save(state), suffix=".pt")
    else:
        checkpoint = imported(published.save(state), suffix=".pt")
    name = "decoder.moduleDeconv1.6.weight"
    assert torch.equal(checkpoint.tensors["decoder.output.6.weight"], state[name].float())
    assert checkpoint.tensors["decoder.output.6.weight"].dtype == torch.float32


def test_a_run_folder_can_be_the_target_once(imported: Callable[..., Any], tmp_path: Path) -> None:
    data = published.save(published.state_dict("recon"))
    imported(data, out=str(tmp_path / "run"))
    assert load_checkpoint(str(tmp_path / "run")).spec.method == "recon"
    folder = tmp_path / "run" / "checkpoints"
    (folder / "model-00000000.safetensors").rename(folder / "model-00000100.safetensors")
    with pytest.raises(CheckpointError, match="found a run with checkpoints of its own"):
        imported(data, out=str(tmp_path / "run"))


@pytest.mark.parametrize("trace", ["config.toml", "checkpoints/training-00000000.pt"])
@pytest.mark.parametrize("out", ["run", "run/checkpoints/model-00000000.safetensors"])
def test_a_run_of_training_is_not_the_target(
    imported: Callable[..., Any], tmp_path: Path, out: str, trace: str
) -> None:
    model = tmp_path / "run/checkpoints/model-00000000.safetensors"
    model.parent.mkdir(parents=True)
    model.write_text("the untrained network")
    (tmp_path / "run" / trace).write_text("[train]\nepochs = 0\n")
    with pytest.raises(CheckpointError, match="run: found a run with checkpoints of its own"):
        imported(published.save(published.state_dict("recon")), out=str(tmp_path / out))
    assert model.read_text() == "the untrained network"


@pytest.mark.parametrize("task", ["pred", "recon"])
@pytest.mark.parametrize("form", ["legacy", "zip"])
@pytest.mark.skipif(not GOLDEN.exists(), reason="no ../shared/golden beside the repository")
def test_published_files_have_the_expected_values(tmp_path: Path, task: str, form: str) -> None:
    checkpoint = import_reference(
        ImportConfig(
            model=str(GOLDEN / f"pretrained_{task}_{form}.pth"),
            keys=str(GOLDEN / f"keys_{task}.pt"),
            out=str(tmp_path / "out.safetensors"),
        )
    )
    with np.load(GOLDEN / f"pretrained_{task}_expected.npz") as file:
        expected = {name: file[name] for name in file.files}
    np.testing.assert_array_equal(checkpoint.tensors["memory.items"].numpy(), expected.pop("keys"))
    seen = {"memory.items"}
    for name, values in expected.items():
        ours = our_name(name)
        if ours is None:
            continue
        seen.add(ours)
        tensor = checkpoint.tensors[ours].double()
        flat = tensor.flatten()
        found = [tensor.sum().item(), tensor.norm().item(), flat[0].item(), flat[-1].item()]
        np.testing.assert_allclose(found, values, rtol=1e-6, atol=1e-6)
    assert seen == set(checkpoint.tensors)


class Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


PAYLOADS: dict[str, Callable[[str], object]] = {
    "os.system": lambda marker: Call(os.system, f"touch {marker}"),
    "exec": lambda marker: Call(exec, f"open({marker!r}, 'w').close()"),
    "open": lambda marker: Call(open, marker, "w"),
    "nested": lambda marker: {"encoder.moduleConv1.0.weight": [Call(os.system, f"touch {marker}")]},
    "getattr": lambda marker: Call(getattr, marker, "upper"),
    "torch.load": lambda marker: Call(torch.load, marker),
    "numpy": lambda marker: Call(np.save, marker, 1),
    "class": lambda marker: Call(torch.nn.Linear, 2, 2),
}


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("place", ["model", "keys"])
def test_a_pickle_with_code_is_refused_and_its_code_not_run(
    imported: Callable[..., Any], tmp_path: Path, payload: str, legacy: bool, place: str
) -> None:
    marker = tmp_path / "marker"
    harmful = published.save(PAYLOADS[payload](str(marker)), legacy=legacy)
    with pytest.raises(CheckpointError, match=r"refused: it wants to (call|use) .*no code is run"):
        if place == "model":
            imported(harmful)
        else:
            imported(published.save(published.state_dict("recon")), harmful)
    assert not marker.exists()
    assert not (tmp_path / "out.safetensors").exists()


HEAD = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))


@pytest.mark.parametrize(
    "opcodes",
    [
        b"cos\nsystem\n.",  # merely names it
        b"(S'echo'\nios\nsystem\n.",  # INST
        b"(cposix\nsystem\nS'echo'\no.",  # OBJ
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x031+1\x85R.",  # STACK_GLOBAL
        b"\x80\x04\x8c\x05torch\x8c\x16serialization.os.system\x93\x8c\x031+1\x85R.",  # dotted
        b"\x80\x02cany.module\nThing\nU\x01x\x85\x81.",  # NEWOBJ with arguments
        b"\x80\x02cany.module\nThing\n)\x81U\x01xb.",  # BUILD with a state that is no dict
        b"\x80\x02cany.module\nThing\n)\x81N}U\x01aK\x01s\x86b.",  # BUILD that sets attributes
        b"\x80\x02cany.module\nThing\n}U\x01aK\x01sb.",  # BUILD on a class
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}U\x01aK\x01sb.",  # BUILD on what we lend
        b"\x80\x02U\x05thingQ.",  # a reference that is no storage
        b"\x82\x01.",  # an extension code
        b"",
        b".",
    ],
)
def test_no_opcode_reaches_anything(opcodes: bytes) -> None:
    with pytest.raises(CheckpointError):
        read_torch_file(HEAD + opcodes + pickle.dumps([], 2), "file")


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damage_is_an_error_or_harmless(data: st.DataObject) -> None:
    whole = published.save({"a": torch.arange(6.0), "b": torch.ones(2)}, legacy=data.draw(st.booleans()))
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        position = data.draw(st.integers(0, len(whole) - 1))
        damaged = whole[:position] + bytes([data.draw(st.integers(0, 255))]) + whole[position + 1 :]
    try:
        file = read_torch_file(damaged, "file")
        for tensor in file.root.values() if isinstance(file.root, dict) else ():
            file.load(tensor) if hasattr(tensor, "storage") else None
    except CheckpointError:
        pass


def test_a_shape_is_compared_before_memory_is_taken(imported: Callable[..., Any]) -> None:
    state = published.state_dict("recon")
    state["encoder.moduleConv1.0.bias"] = torch.zeros(1).expand(10**12)
    with pytest.raises(CheckpointError, match=r"found encoder.levels.0.0.bias of \[1000000000000\]"):
        imported(published.save(state))


def without(state: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: {}, "found no layers of the published network"),
        (lambda s: without(s, "encoder.moduleConv2.0.bias"), "encoder.levels.1.0.bias is missing"),
        (lambda s: {**s, "head.fc.0.weight": torch.ones(1)}, "found head.fc.0.weight, which the published"),
        (lambda s: {**s, "encoder.moduleConv1.9.weight": torch.ones(1)}, "which the network does not have"),
        (lambda s: {**s, "epoch": 3}, "epoch is no tensor"),
        (
            lambda s: {**s, "decoder.moduleDeconv1.6.bias": torch.full((3,), float("nan"))},
            "decoder.output.6.bias with values that are no numbers, expected finite ones",
        ),
    ],
)
def test_what_is_not_the_published_network_is_refused(
    imported: Callable[..., Any], change: Callable[[dict[str, Any]], dict[str, Any]], message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        imported(published.save(change(published.state_dict("recon"))))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (torch.ones(10, 3), r"found a tensor \[10, 3\], expected memory items of \[M, 512\]"),
        (torch.ones(1, 512), r"found a tensor \[1, 512\]"),
        (torch.ones(10, 512), "found memory.items with items of length 22.627 to 22.627, expected 1"),
        ([1, 2], "found something else"),
    ],
)
def test_what_are_not_memory_items_is_refused(
    imported: Callable[..., Any], keys: object, message: str
) -> None:
    with pytest.raises(CheckpointError, match=message):
        imported(published.save(published.state_dict("recon")), published.save(keys))


@pytest.mark.parametrize("data", [b"", b"PK", b"<html>404</html>", b"PK\x03\x04" + bytes(100)])
def test_something_else_is_named(imported: Callable[..., Any], data: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"model.pth: (not a|refused)"):
        imported(data)


def test_a_missing_file_and_a_bad_size_are_named(imported: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.pth: not found"):
        import_reference(ImportConfig(model=str(tmp_path / "nothing.pth"), keys="", out="out.safetensors"))
    with pytest.raises(
        ConfigError, match="--size: found 100x64, expected height and width that are multiples of 8"
    ):
        imported(b"", size=(100, 64))


def test_the_command_says_what_it_imported(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(published.whole_module(published.state_dict("pred")))
    (tmp_path / "keys.pt").write_bytes(published.save(published.keys()))
    paths = [str(tmp_path / name) for name in ("model.pth", "keys.pt", "out.safetensors")]
    result = CliRunner().invoke(main, ["import-reference", *paths])
    assert result.exit_code == 0, result.output
    assert "pred model, windows of 5 frames of any size BGR, 10 memory items" in result.output
    result = CliRunner().invoke(main, ["import-reference", *paths, "--size", "240x360"])
    assert "windows of 5 frames of 240x360 BGR" in result.output
