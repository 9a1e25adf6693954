"""Training with several processes, or with accumulated gradients, is training on the joint batch."""

import pytest
import torch

from tests.helpers.ranks import run_ranks
from tests.helpers.training import frozen_steps

GLOBAL_BATCH = 6
STEPS = 3


def assert_same_training(
    found: tuple[torch.Tensor, list[torch.Tensor]], expected: tuple[torch.Tensor, list[torch.Tensor]]
) -> None:
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-5)
    for gradient, reference in zip(found[1], expected[1], strict=True):
        torch.testing.assert_close(gradient, reference, rtol=1e-3, atol=1e-4 * reference.abs().max().item())
    assert (expected[0][-1] - expected[0][0]).abs().max() > 1e-3, (
        "the memory does not move, so this says nothing"
    )


@pytest.mark.ddp
@pytest.mark.parametrize(("method", "world", "accumulate"), [("recon", 2, 1), ("pred", 3, 1), ("pred", 2, 3)])
def test_processes_give_the_memory_and_gradients_of_the_joint_batch(
    method: str, world: int, accumulate: int
) -> None:
    batch = GLOBAL_BATCH // world // accumulate
    ranks = run_ranks(world, frozen_steps, batch, STEPS, method, accumulate)
    for memories, _ in ranks[1:]:
        assert torch.equal(memories, ranks[0][0])
    assert_same_training(ranks[0], frozen_steps(GLOBAL_BATCH, STEPS, method))


def test_accumulated_batches_are_one_batch_to_the_memory() -> None:
    accumulated = frozen_steps(2, STEPS, "pred", GLOBAL_BATCH // 2)
    assert_same_training(accumulated, frozen_steps(GLOBAL_BATCH, STEPS, "pred"))
