"""Training with several processes, or with accumulated gradients, is training on the joint batch."""

import copy

import pytest
import torch

from mnad import MNAD, Losses
from pipeline.errors import PeerError, TrainingError
from pipeline.processes.distributed import processes
from pipeline.train.config import train_config
from pipeline.train.metrics import LossHistory
from pipeline.train.step import Trainer
from tests.helpers.ranks import run_ranks
from tests.helpers.training import frozen_steps, random_windows

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
@pytest.mark.parametrize(
    ("method", "world", "accumulate", "virtual"),
    [("recon", 2, 1, 2), ("pred", 3, 1, 3), ("pred", 2, 3, 6), ("pred", 2, 1, 3)],
)
def test_processes_give_the_memory_and_gradients_of_the_joint_batch(
    method: str, world: int, accumulate: int, virtual: int
) -> None:
    batch = GLOBAL_BATCH // virtual
    ranks = run_ranks(world, frozen_steps, batch, STEPS, method, accumulate, virtual)
    for memories, _ in ranks[1:]:
        assert torch.equal(memories, ranks[0][0])
    assert_same_training(ranks[0], frozen_steps(GLOBAL_BATCH, STEPS, method))


def test_accumulated_batches_are_one_batch_to_the_memory() -> None:
    accumulated = frozen_steps(2, STEPS, "pred", GLOBAL_BATCH // 2)
    assert_same_training(accumulated, frozen_steps(GLOBAL_BATCH, STEPS, "pred"))


def one_bad_loss() -> str:
    with processes("cpu") as process:
        history = LossHistory(2, 10, process)
        for index in range(2):
            bad = index == process.rank == 1
            value = torch.tensor(float("nan") if bad else 1.0)
            history.record(index, Losses(pixel=value, compact=value, separate=value))
        try:
            history.join(2)
        except (TrainingError, PeerError) as error:
            return f"{type(error).__name__}: {error}".partition(",")[0]
    return "nothing"


@pytest.mark.ddp
def test_a_loss_that_is_not_finite_in_one_process_stops_all_at_the_same_step() -> None:
    first, second = run_ranks(2, one_bad_loss)
    assert first == "TrainingError: step 12: found losses pixel nan"
    assert second.startswith("PeerError: ")


def goes_on_bit_for_bit() -> bool:
    config = train_config(shards="", run="", precision="fp32")
    with processes("cpu") as process:
        windows = random_windows(process.world, 4)[:, process.rank : process.rank + 1]

        def trainer() -> Trainer:
            torch.manual_seed(0)
            return Trainer(MNAD("pred"), config, process)

        unbroken = trainer()
        unbroken.step(windows[0])
        unbroken.step(windows[1])
        model, state = copy.deepcopy((unbroken.model.state_dict(), unbroken.state()))
        resumed = trainer()
        resumed.model.load_state_dict(model)
        resumed.load_state(state)
        for batch in windows[2:]:
            unbroken.step(batch)
            resumed.step(batch)
        pairs = zip(unbroken.model.state_dict().values(), resumed.model.state_dict().values(), strict=True)
        return all(torch.equal(expected, found) for expected, found in pairs)


@pytest.mark.ddp
def test_three_processes_go_on_bit_for_bit() -> None:
    assert run_ranks(3, goes_on_bit_for_bit) == [True] * 3
