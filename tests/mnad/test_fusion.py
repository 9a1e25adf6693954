"""The fused network against the one that it was made from."""

import copy

import pytest
import torch
from torch import nn

from mnad import MNAD
from mnad.fusion import fuse
from mnad.model import Task


@pytest.mark.parametrize("task", ["pred", "recon"])
def test_a_fused_network_gives_the_same_without_batch_norm(task: Task) -> None:
    torch.manual_seed(0)
    model = MNAD(task, window=5 if task == "pred" else 1, bn_init="uniform").eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean = torch.randn_like(layer.bias) * 0.1
            layer.running_var = torch.rand_like(layer.bias) + 0.5
    before = copy.deepcopy(model.state_dict())
    fused = fuse(model)
    inputs = torch.rand(2, 12 if task == "pred" else 3, 16, 24) * 2 - 1
    with torch.no_grad():
        expected, found = model(inputs), fused(inputs)
    torch.testing.assert_close(found.frame, expected.frame, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found.queries, expected.queries, atol=1e-5, rtol=1e-4)
    assert expected.frame.std() > 0.01
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in fused.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
