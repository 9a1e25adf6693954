"""The method gives the numbers of the published implementation, run unchanged in float32 on a CPU."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mnad import FrameScores, score_batch, training_losses
from mnad.model import Task
from pipeline.scoring.scorer import full_float32
from pipeline.train.precision import Resolved, autocast
from tests.helpers import golden

GPU = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
TASKS: list[Task] = ["pred", "recon"]
PSNR_BOUND: dict[Resolved, float] = {"fp32": 1e-3, "bf16": 5e-2, "fp16": 1e-2}
DISTANCE_BOUND: dict[Resolved, float] = {"fp32": 1e-4, "bf16": 1e-2, "fp16": 2e-3}
"""In dB and relative: what fp32 promises anywhere; about ten times what a CPU is off in half precision."""
LEARNING_RATE = {"pred": 2e-4, "recon": 2e-5}
LOSS_WEIGHT = {"pred": 0.1, "recon": 0.01}

# Training is chaotic in float32: Adam's first steps move every weight by the learning rate in the direction
# of its gradient's sign, and a query half-way between two items changes sides. Run in float64, with inputs
# disturbed by 1e-7 (float32's rounding), five runs differ among each other at the third step by up to 8e-4
# in a loss and 2e-2 in the prediction memory, 1e-4 and 2e-4 in reconstruction; the published values lie
# within that cloud, and so must ours. At the second, prediction in float32 is off by 2e-5 to 1.1e-4 with the
# kernels of six instruction sets, from SSE4.1 to AVX-512. At the first step nothing has been amplified yet.
LOSS_BOUND = {"pred": [1e-6, 4e-4, 3e-3], "recon": [1e-6, 1e-4, 2e-4]}
MEMORY_BOUND = {"pred": [1e-6, 1e-2, 5e-2], "recon": [2e-6, 1e-4, 5e-4]}


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("task", TASKS)
def test_evaluation_gives_the_published_scores_in_batches_of(task: Task, batch: int) -> None:
    expected, meta = golden.load()
    model = golden.model(task, meta["seed"]).eval()
    items = model.memory.items
    parts = []
    for k in range(3):
        clip = golden.video(24, meta["height"], meta["width"], meta["seed"] + k)
        for windows in golden.windows(clip, golden.WINDOW[task]).split(batch):
            scores, items = score_batch(model, windows, items, meta[f"{task}_threshold"])
            parts.append(scores)

    def column(name: str) -> np.ndarray:
        return np.concatenate([getattr(part, name) for part in parts])

    np.testing.assert_allclose(column("psnr"), expected[f"{task}_eval_psnr"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(
        column("feature_distance"), expected[f"{task}_eval_feature_distance"], rtol=1e-5
    )
    np.testing.assert_allclose(column("point_score"), expected[f"{task}_eval_point_score"], rtol=1e-5)
    np.testing.assert_array_equal(column("memory_updated"), expected[f"{task}_eval_updated"])
    np.testing.assert_allclose(items, expected[f"{task}_eval_memory"], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("device", "precision"),
    [
        ("cpu", "bf16"),  # in fp16 a CPU takes minutes
        *(pytest.param("cuda", precision, marks=GPU) for precision in ("fp32", "bf16", "fp16")),
    ],
)
@pytest.mark.parametrize("task", TASKS)
def test_evaluation_stays_near_the_published_scores(
    task: Task, device: str, precision: Resolved, record_property: Callable[[str, object], None]
) -> None:
    expected, meta = golden.load()
    model = golden.model(task, meta["seed"]).eval().to(device)
    items, parts = model.memory.items, []
    for k in range(3):
        clip = golden.video(24, meta["height"], meta["width"], meta["seed"] + k)
        windows = golden.windows(clip, golden.WINDOW[task]).to(device)
        with full_float32(), autocast(precision, torch.device(device)):
            scores, items = score_batch(model, windows, items, meta[f"{task}_threshold"])
        parts.append(scores)
    found = FrameScores.join(parts)
    psnr = np.abs(found.psnr - expected[f"{task}_eval_psnr"]).max()
    distance = np.abs(found.feature_distance / expected[f"{task}_eval_feature_distance"] - 1).max()
    decisions = int((found.memory_updated != expected[f"{task}_eval_updated"]).sum())
    for name, value in {"psnr_db": psnr, "feature_distance": distance, "other_decisions": decisions}.items():
        record_property(name, float(value))
    assert psnr <= PSNR_BOUND[precision]
    assert distance <= DISTANCE_BOUND[precision]
    if precision == "fp32":  # point scores lie as near to the threshold as bf16 rounds
        assert decisions == 0


@pytest.mark.parametrize("task", TASKS)
def test_training_follows_the_published_losses_and_memory(task: Task) -> None:
    expected, meta = golden.load()
    model = golden.model(task, meta["seed"]).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE[task])
    length = golden.WINDOW[task]
    clip = golden.video(3 * 4 + length - 1, meta["height"], meta["width"], meta["seed"])
    for step, windows in enumerate(golden.windows(clip, length).split(4)):
        inputs, target = model.split(windows)
        output = model(inputs)
        losses = training_losses(output.frame, target, output.queries, model.memory.items)
        optimizer.zero_grad()
        losses.total(LOSS_WEIGHT[task], LOSS_WEIGHT[task]).backward()
        optimizer.step()
        model.memory.update(output.queries)

        found = [losses.pixel.item(), losses.compact.item(), losses.separate.item()]
        np.testing.assert_allclose(
            found, expected[f"{task}_train_losses"][step], rtol=LOSS_BOUND[task][step], err_msg=f"step {step}"
        )
        np.testing.assert_allclose(
            model.memory.items,
            expected[f"{task}_train_memory"][step],
            rtol=0,
            atol=MEMORY_BOUND[task][step],
            err_msg=f"step {step}",
        )
