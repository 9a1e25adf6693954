"""The running average of weights."""

import copy

import torch

from mnad import MNAD
from pipeline.processes.distributed import Process
from pipeline.train.averaging import WeightAverage
from pipeline.train.config import train_config
from pipeline.train.step import Trainer
from tests.helpers.training import random_windows

ALONE = Process(rank=0, world=1, device=torch.device("cpu"))


def trainer(average: int) -> Trainer:
    config = train_config(shards="", run="", precision="fp32", average=average)
    torch.manual_seed(0)
    return Trainer(MNAD("pred"), config, ALONE)


def test_it_is_the_mean_at_first_and_then_forgets() -> None:
    model = MNAD("pred", items=2)
    parameter = next(model.parameters())
    average = WeightAverage(model, 3)
    for value, expected in ((1.0, 1.0), (2.0, 1.5), (6.0, 3.0), (6.0, 4.0), (6.0, 14 / 3)):
        with torch.no_grad():
            parameter.fill_(value)
        average.update()
        found = next(average.model.parameters())
        torch.testing.assert_close(found, torch.full_like(found, expected))


def test_it_leaves_training_as_it_is() -> None:
    plain, averaging = trainer(0), trainer(2)
    for batch in random_windows(1, 3):
        assert plain.step(batch) == averaging.step(batch)
    assert plain.result is plain.model
    for name, weights in plain.model.state_dict().items():
        assert torch.equal(weights, averaging.model.state_dict()[name])
    own = averaging.result.memory.items
    torch.testing.assert_close(own.norm(dim=1), torch.ones(len(own)))
    assert not torch.equal(own, averaging.model.memory.items)


def test_it_goes_on_bit_for_bit() -> None:
    windows = random_windows(1, 5)
    unbroken = trainer(3)
    for batch in windows[:2]:
        unbroken.step(batch)
    saved, state = copy.deepcopy((unbroken.result.state_dict(), unbroken.state()))
    model = MNAD("pred")
    model.load_state_dict(saved)
    resumed = Trainer(model, train_config(shards="", run="", precision="fp32", average=3), ALONE)
    resumed.load_state(state)
    for batch in windows[2:]:
        unbroken.step(batch)
        resumed.step(batch)
    for one, other in ((unbroken.result, resumed.result), (unbroken.model, resumed.model)):
        found = other.state_dict()
        assert all(torch.equal(found[name], value) for name, value in one.state_dict().items())
