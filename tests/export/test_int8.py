"""`export --precision int8`: learned from normal windows, accepted where it raises the events of float32."""

import copy
import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from mnad import MNAD
from mnad.fusion import fuse
from mnad.step import FROZEN, Inputs
from pipeline.errors import CheckpointError, ConfigError
from pipeline.export.acceptance import accepted, planted, same
from pipeline.export.config import ExportConfig
from pipeline.export.run import export
from pipeline.runs.checkpoint import load_checkpoint
from pipeline.runs.layout import model_name
from pipeline.runs.trainedon import trained_on
from pipeline.runtimes.exported import INT8, load_exported
from pipeline.scoring.instrument import instrument
from pipeline.scoring.runtime import network_of
from pipeline.video.timed import TimedFrame
from shards.holdout import HeldOut
from shards.identity import split_identity
from tests.helpers.checkpoints import golden_checkpoint
from tests.helpers.shards import make_set, smooth_frames

SIZE = (32, 32)
CPU = torch.device("cpu")


def clips() -> list[np.ndarray]:
    """Frames whose light changes a little."""
    light = np.random.default_rng(0).integers(0, 40, (2, 60, 1, 1, 1), np.uint8)
    return [smooth_frames(60, SIZE, seed=seed) // 2 + light[seed] for seed in range(2)]


def test_the_three_disturbances_lie_behind_the_middle_of_copies() -> None:
    normal = clips()
    before = copy.deepcopy(normal)
    disturbed = planted(normal, rate=5)
    assert all(np.array_equal(some, others) for some, others in zip(normal, before, strict=True))
    for clip, last in zip(disturbed, (40, 40, 32), strict=True):
        original = next(each for each in normal if np.array_equal(each[:30], clip[:30]))
        assert np.array_equal(clip[last:], original[last:])
        assert not np.array_equal(clip[30:last], original[30:last])
    assert np.array_equal(disturbed[1][30], disturbed[1][39])
    assert (disturbed[2][30] == 255).all()


def test_events_are_the_same_where_each_overlaps_its_own() -> None:
    assert same([(1, 2), (5, 7)], [(1.5, 3), (4, 5.5)])
    assert not same([(1, 2)], [])
    assert not same([(1, 2)], [(2.5, 3)])


@pytest.fixture(scope="module")
def model() -> MNAD:
    return fuse(golden_checkpoint("pred", SIZE[0]).model())


def dazzled(model: MNAD) -> MNAD:
    """A copy whose frames are white, whatever it is shown, so that a flash is what it expects."""
    other = copy.deepcopy(model)
    last = [layer for layer in other.decoder.output if isinstance(layer, torch.nn.Conv2d)][-1]
    assert last.bias is not None
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 10)
    return other


@pytest.mark.slow
def test_a_model_is_accepted_for_itself_and_moves_nothing(model: MNAD) -> None:
    movement = accepted(model, model, clips(), window=5, rate=5, name="yard")
    assert movement.quantile_99 == 0
    assert movement.events > 0


@pytest.mark.slow
def test_a_model_that_raises_other_events_is_refused_with_its_figure(model: MNAD) -> None:
    with pytest.raises(
        CheckpointError, match=r"yard: found \d+ events .* in int8, expected the \d+ of float32.*99 %"
    ):
        accepted(model, dazzled(model), clips(), window=5, rate=5, name="yard")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run with the golden weights, and the set that they claim to be trained on."""
    folder = tmp_path_factory.mktemp("int8")
    manifest = make_set(
        folder / "set", {"training": [smooth_frames(80, SIZE, seed=seed) for seed in range(3)]}
    )
    data = {
        "training": split_identity(manifest, "training"),
        **trained_on(5.0, [HeldOut(video="03", start=0, end=80, gap=0)]),
    }
    checkpoint = dataclasses.replace(golden_checkpoint("pred", SIZE[0]), origin={"data": data})
    path = folder / "run" / model_name(3)
    path.parent.mkdir(parents=True)
    path.write_bytes(checkpoint.to_bytes())
    return folder / "run", folder / "set"


def test_int8_without_a_set_is_refused(run: tuple[Path, Path]) -> None:
    config = ExportConfig(
        checkpoint=str(run[0]), out=str(run[0] / "none"), format="openvino", precision="int8"
    )
    with pytest.raises(ConfigError, match="--precision int8: found no shard set"):
        export(config)


def test_scoring_in_int8_names_the_export_that_is_missing(run: tuple[Path, Path]) -> None:
    checkpoint = load_checkpoint(str(run[0]))
    with pytest.raises(
        CheckpointError, match=r"int8: not found, expected the model in int8; make it: .* export"
    ):
        network_of(checkpoint, SIZE, CPU, "openvino", "int8")


@pytest.mark.slow
def test_what_was_exported_in_int8_scores_here_as_it_does_elsewhere(
    run: tuple[Path, Path], tmp_path: Path
) -> None:
    pytest.importorskip("nncf")
    home, shards = run
    out = home / INT8
    summary = export(
        ExportConfig(
            checkpoint=str(home), out=str(out), shards=str(shards), format="openvino", precision="int8"
        )
    )
    assert summary.record.movement is not None
    assert summary.record.movement.events > 0
    exported = load_exported(str(out))
    assert exported.record == summary.record
    tool = instrument(
        load_checkpoint(str(home)), CPU, memory="frozen", precision="int8", batch_size=4, runtime="auto"
    )
    assert (tool.runtime, tool.precision) == ("openvino", "int8")
    assert tool.belongings("local").precision == "int8"
    frames = smooth_frames(12, SIZE, seed=9)
    moments = list(tool.moments(timed(frames)))
    windows = torch.from_numpy(frames).unfold(0, 5, 1).permute(0, 4, 1, 2, 3).contiguous()
    memory = exported.memory.expand(len(windows), -1, -1)
    outputs = exported.runtime.step(Inputs(windows, memory, torch.tensor(FROZEN), torch.ones(SIZE)))
    found = np.array([moment.psnr for moment in moments])
    np.testing.assert_allclose(found, outputs.psnr.numpy(), rtol=0, atol=0.1)  # what is between is bf16 there
    other = dataclasses.replace(load_checkpoint(str(home)), sha256="0" * 64)
    with pytest.raises(CheckpointError, match="expected openvino int8 of 000000000000"):
        network_of(other, SIZE, CPU, "openvino", "int8")


def timed(frames: np.ndarray) -> Iterator[TimedFrame]:
    for number, picture in enumerate(frames):
        yield TimedFrame(number=number, seconds=number / 5, picture=picture, is_corrupt=False)


@pytest.mark.slow
def test_nothing_reports_that_nncf_was_used() -> None:
    pytest.importorskip("nncf")
    code = (
        "import sys, pipeline.export.quantising\n"
        "print([name for name, module in sys.modules.items() if name.startswith('openvino_tele') and module])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
