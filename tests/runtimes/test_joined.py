"""A step that is joined of networks is the step, and the networks can be cut out of it again."""

import copy
from pathlib import Path

import pytest
import torch

from mnad.fusion import fuse
from mnad.model import Task
from mnad.step import Inputs
from pipeline.errors import CheckpointError
from pipeline.runtimes import with_openvino
from pipeline.runtimes.bounds import bounds
from pipeline.runtimes.joined import joined, networks_of
from pipeline.runtimes.program import program, shapes
from pipeline.runtimes.with_torch import torch_runtime
from pipeline.scoring.openvinoruns import compiled, graphs
from tests.helpers.checkpoints import golden_checkpoint

SIZE = (16, 24)


@pytest.mark.slow
@pytest.mark.parametrize("task", ["pred", "recon"])
def test_the_step_of_networks_gives_what_pytorch_gives(task: Task, tmp_path: Path) -> None:
    checkpoint = golden_checkpoint(task)
    fused, window = fuse(checkpoint.model()), checkpoint.spec.window
    with_openvino.save(joined(fused, window, SIZE, graphs(fused, SIZE)), tmp_path)
    step = with_openvino.read(
        (tmp_path / "model.xml").read_bytes(),
        (tmp_path / "model.bin").read_bytes(),
        "model.xml",
        bounds(10, window, *SIZE),
    )
    generator = torch.Generator().manual_seed(0)
    windows = torch.randint(0, 256, (3, window, *SIZE, 3), dtype=torch.uint8, generator=generator)
    memory = fused.memory.items.expand(3, -1, -1).contiguous()
    inputs = Inputs(windows, memory, torch.tensor(1.0), torch.ones(SIZE))
    found = with_openvino.openvino_runtime(step, "fp32").step(inputs)
    expected = torch_runtime(checkpoint.model(), *SIZE).step(inputs)
    for name, one, other in zip(found._fields, found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4, msg=name)
    pixels = windows.permute(0, 1, 4, 2, 3).float() / 127.5 - 1
    cut = compiled(copy.deepcopy(fused), networks_of(step, "model.xml"), "fp32")
    with torch.no_grad():
        frame = cut(cut.split(pixels)[0]).frame
    torch.testing.assert_close(frame, expected.frame, rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_step_of_one_piece_has_no_networks() -> None:
    checkpoint = golden_checkpoint("pred")
    step = with_openvino.converted(program(checkpoint.model(), 5, *SIZE), shapes(10, 5, *SIZE))
    with pytest.raises(CheckpointError, match=r"model\.xml: found no encoder\.inputs in it"):
        networks_of(step, "model.xml")
