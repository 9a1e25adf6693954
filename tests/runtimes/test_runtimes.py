"""A step gives in every runtime what `score_batch` gives, the memory carried on."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from mnad.local_error import TABLE_SCALES, LocalError
from mnad.memory import update
from mnad.scoring import FrameScores, Observed, score_batch
from mnad.step import FROZEN, Inputs
from pipeline.runs.calibration import Runtime as RuntimeName
from pipeline.runtimes import with_onnx, with_openvino
from pipeline.runtimes.program import program, shapes
from pipeline.runtimes.runtime import Runtime
from pipeline.runtimes.with_torch import torch_runtime
from tests.helpers import golden
from tests.helpers.checkpoints import golden_checkpoint

NAMES: tuple[RuntimeName, ...] = ("torch", "onnx", "openvino")
STEPS, SIZE = 200, 32


@pytest.fixture(scope="module", params=NAMES)
def runtime(request: pytest.FixtureRequest) -> Runtime:
    model = golden_checkpoint("pred", SIZE).model()
    if request.param == "torch":
        return torch_runtime(model, SIZE, SIZE)
    step = program(model, 5, SIZE, SIZE)
    if request.param == "onnx":
        return with_onnx.onnx_runtime(with_onnx.converted(step), "golden")
    converted = with_openvino.converted(step, shapes(10, 5, SIZE, SIZE))
    return with_openvino.openvino_runtime(converted, "fp32")


def clip() -> np.ndarray:
    return golden.video(STEPS + 4, SIZE, SIZE, golden.load()[1]["seed"])


def stored(frames: np.ndarray) -> Tensor:
    """Windows (B, 5, H, W, 3) uint8."""
    return torch.from_numpy(frames).unfold(0, 5, 1).permute(0, 4, 1, 2, 3).contiguous()


@dataclass(frozen=True)
class Expected:
    scores: FrameScores
    error: Tensor
    memory: Tensor
    threshold: float


@pytest.fixture(scope="module")
def expected() -> Expected:
    """What `score_batch` says of all windows, about half of which update the memory."""
    model, windows = golden_checkpoint("pred", SIZE).model(), golden.windows(clip(), 5)
    frozen = score_batch(model, windows[:50], model.memory.items, -np.inf, guess=False)[0]
    threshold = float(np.median(frozen.point_score)) * 1.0001
    items, parts = model.memory.items, []
    seen: list[Observed] = []
    for some in windows.split(4):
        scores, items = score_batch(model, some, items, threshold, observe=seen.append)
        parts.append(scores)
    error = torch.cat([each.error for each in seen])
    return Expected(FrameScores.join(parts), error, items, threshold)


@pytest.mark.slow
def test_two_hundred_steps_with_mixed_decisions_give_the_scores_and_the_memory_of_pytorch(
    runtime: Runtime, expected: Expected
) -> None:
    assert 20 < expected.scores.memory_updated.sum() < STEPS - 20
    keep = torch.ones(SIZE, SIZE)
    memory, found = golden_checkpoint("pred", SIZE).model().memory.items[None], []
    for window in stored(clip()).split(1):
        outputs = runtime.step(Inputs(window, memory, torch.tensor(expected.threshold), keep))
        memory = outputs.next_memory
        found.append(outputs)
    for name, bound in (("psnr", 1e-3), ("feature_distance", 1e-6), ("point_score", 1e-5)):
        values = np.concatenate([getattr(each, name).numpy() for each in found])
        np.testing.assert_allclose(values, getattr(expected.scores, name), rtol=0, atol=bound, err_msg=name)
    decisions = [float(each.point_score) < expected.threshold for each in found]
    assert decisions == expected.scores.memory_updated.tolist()
    torch.testing.assert_close(memory[0], expected.memory, rtol=0, atol=1e-5)
    for name, look in (
        ("local_error", LocalError.looking_at(keep.bool(), scales=TABLE_SCALES)),
        ("local_errors", LocalError.looking_at(keep.bool())),
    ):
        rows = torch.cat([getattr(each, name).reshape(1, -1) for each in found])
        used = rows[0] > -torch.inf
        torch.testing.assert_close(rows[:, used].double(), look(expected.error), rtol=0, atol=1e-3)


def test_each_window_of_a_batch_has_a_memory_of_its_own(runtime: Runtime) -> None:
    model, windows = golden_checkpoint("pred", SIZE).model(), stored(clip()[:7])
    keep = torch.ones(windows.shape[2:4])
    generator = torch.Generator().manual_seed(0)
    memory = torch.nn.functional.normalize(torch.rand(3, 10, 512, generator=generator), dim=-1)
    memory[0] = model.memory.items
    together = runtime.step(Inputs(windows, memory, torch.tensor(1.0), keep))
    for index in range(3):
        row = slice(index, index + 1)
        alone = runtime.step(Inputs(windows[row], memory[row], torch.tensor(1.0), keep))
        for name, one, many in zip(alone._fields, alone, together, strict=True):
            torch.testing.assert_close(many[row], one, rtol=1e-4, atol=1e-4, msg=name)
        torch.testing.assert_close(
            together.next_memory[index], update(memory[index], together.queries[index]), rtol=0, atol=1e-5
        )


def test_a_threshold_below_all_scores_freezes_the_memory(runtime: Runtime) -> None:
    model, windows = golden_checkpoint("pred", SIZE).model(), stored(clip()[:6])
    memory = model.memory.items.expand(2, -1, -1)
    outputs = runtime.step(Inputs(windows, memory, torch.tensor(FROZEN), torch.ones(windows.shape[2:4])))
    torch.testing.assert_close(outputs.next_memory, memory, rtol=0, atol=0)


def test_what_is_masked_is_not_looked_at(runtime: Runtime) -> None:
    model, windows = golden_checkpoint("pred", SIZE).model(), stored(clip()[:5])
    height, width = windows.shape[2:4]
    keep = torch.zeros(height, width)
    keep[:, : width // 2] = 1
    step = runtime.step(Inputs(windows, model.memory.items[None], torch.tensor(FROZEN), keep))
    left, _, extent, _ = step.box[0].tolist()
    assert left + extent / 2 <= 0.5 + 1 / width
    look = LocalError.looking_at(keep.bool())
    error = ((step.frame - (windows[:, -1].permute(0, 3, 1, 2).float() / 127.5 - 1)) / 2).square()
    expected = look(error)
    used = step.local_errors[0] > -torch.inf
    torch.testing.assert_close(step.local_errors[:, used].double(), expected, rtol=0, atol=1e-3)
