"""The networks as a whole."""

import pytest
import torch

from mnad import MNAD
from mnad.model import Task


@pytest.mark.parametrize(("task", "window"), [("pred", 5), ("pred", 2), ("recon", 1)])
def test_output_is_a_frame_between_minus_one_and_one(task: Task, window: int) -> None:
    model = MNAD(task, window=window).eval()
    windows = torch.rand(2, window, 3, 16, 24) * 2 - 1
    inputs, target = model.split(windows)
    output = model(inputs)
    assert output.frame.shape == target.shape == (2, 3, 16, 24)
    assert output.frame.abs().max() <= 1
    assert output.queries.shape == (2, 2 * 3, 512)
    torch.testing.assert_close(output.queries.norm(dim=-1), torch.ones(2, 6))


def test_prediction_never_sees_the_frame_it_predicts() -> None:
    model = MNAD("pred", window=3)
    windows = torch.arange(3.0).view(1, 3, 1, 1, 1).expand(1, 3, 3, 8, 8)
    inputs, target = model.split(windows)
    assert inputs.unique().tolist() == [0, 1]
    assert target.unique().tolist() == [2]


def test_reconstruction_has_no_skips() -> None:
    model = MNAD("recon", window=1).eval()
    assert model.encode(torch.zeros(1, 3, 8, 8)).skips is None


def test_sizes_that_the_network_cannot_halve_three_times_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 8, got 60x64"):
        MNAD("pred").encode(torch.zeros(1, 12, 60, 64))


@pytest.mark.parametrize(
    ("task", "window", "items", "message"),
    [
        ("pred", 1, 10, "at least 2 frames"),
        ("recon", 5, 10, "window of 1"),
        ("pred", 5, 1, "at least 2 memory"),
    ],
)
def test_impossible_models_are_refused(task: Task, window: int, items: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MNAD(task, window=window, items=items)


def test_every_parameter_takes_part() -> None:
    model = MNAD("pred", window=2).train()
    model(torch.rand(2, 3, 16, 16)).frame.sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_batch_norm_starts_at_one_or_uniformly() -> None:
    def weights(model: MNAD) -> torch.Tensor:
        norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
        return torch.cat([norm.weight.detach() for norm in norms])

    assert (weights(MNAD("pred")) == 1).all()
    uniform = weights(MNAD("pred", bn_init="uniform", generator=torch.Generator().manual_seed(0)))
    assert 0 <= uniform.min() < 0.01 < 0.99 < uniform.max() <= 1
    assert abs(uniform.mean() - 0.5) < 0.05
