"""One training step: precisions, and what it must not do."""

import copy
from typing import Any, get_args

import pytest
import torch

from mnad import MNAD
from pipeline.processes.distributed import Process
from pipeline.train.config import Precision, train_config
from pipeline.train.metrics import NAMES, LossHistory
from pipeline.train.precision import convolution_speedup, resolve
from pipeline.train.step import Trainer
from tests.helpers.shards import smooth_frames
from tests.helpers.training import random_windows

ALONE = Process(rank=0, world=1, device=torch.device("cpu"))
SYNCHRONISING = {
    "aten::item",
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::is_nonzero",
    "aten::equal",
}


def trainer(precision: Precision, method: str = "pred", accumulate: int = 1) -> Trainer:
    config = train_config(
        shards="", run="", method=method, precision=precision, accumulate=accumulate, batch_size=2
    )
    torch.manual_seed(0)
    return Trainer(MNAD(config.method, window=config.window), config, ALONE)


def in_adam(event: Any) -> bool:
    """Whether it belongs to Adam's CPU kernel, which reads step counts that on CUDA stay on the device."""
    while event is not None and event.name != "aten::_fused_adam_":
        event = event.cpu_parent
    return event is not None


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_step_never_asks_the_device_for_a_value(precision: Precision) -> None:
    network = trainer(precision, accumulate=2)
    history = LossHistory(1, 0, ALONE)
    (windows,) = random_windows(4, 1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        history.record(0, network.step(windows))
    seen = {event.name for event in profile.events()}
    assert "aten::convolution" in seen
    assert not {event.name for event in profile.events() if not in_adam(event)} & SYNCHRONISING


def test_joining_the_losses_is_what_asks_for_values() -> None:
    network = trainer("fp32")
    history = LossHistory(1, 0, ALONE)
    (windows,) = random_windows(1, 1)
    history.record(0, network.step(windows))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        history.join(1)
    assert {event.name for event in profile.events()} & SYNCHRONISING


def test_running_statistics_are_those_of_the_first_batch_of_each_step() -> None:
    several, one = trainer("fp32", accumulate=3), trainer("fp32")
    (windows,) = random_windows(6, 1)
    several.step(windows)
    one.step(windows[:2])
    found, expected = ({n: b for n, b in t.model.named_buffers() if "running" in n} for t in (several, one))
    assert found
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    layers = [each for each in several.model.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    assert all(layer.track_running_stats and layer.num_batches_tracked == 1 for layer in layers)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("method", ["pred", "recon"])
def test_weights_memory_and_losses_are_float32(precision: Precision, method: str) -> None:
    network = trainer(precision, method)
    (windows,) = random_windows(2, 1, frames=5 if method == "pred" else 1)
    losses = network.step(windows)
    assert {getattr(losses, name).dtype for name in NAMES} == {torch.float32}
    assert {p.dtype for p in network.model.parameters()} == {torch.float32}
    assert network.model.memory.items.dtype == torch.float32
    torch.testing.assert_close(network.model.memory.items.norm(dim=1), torch.ones(10))


def test_bf16_training_follows_float32() -> None:
    """30 steps on moving squares: each mean over 10 steps within 10 % of float32's, and both learn."""
    frames = torch.from_numpy(smooth_frames(24, (16, 16), seed=1)).permute(0, 3, 1, 2).div(127.5).sub(1)
    windows = frames.unfold(0, 5, 1).permute(0, 4, 1, 2, 3)

    def train(network: Trainer) -> torch.Tensor:
        order = torch.Generator().manual_seed(2)
        history = LossHistory(30, 0, ALONE)
        for step in range(30):
            history.record(step, network.step(windows[torch.randperm(20, generator=order)[:4]]))
        return history.join(30)[:, 0].view(3, 10).mean(dim=1)

    expected, found = train(trainer("fp32")), train(trainer("bf16"))
    torch.testing.assert_close(found, expected, rtol=0.10, atol=0)
    assert found[2] < found[0] / 3


def test_fp16_survives_an_overflow_by_scaling_down() -> None:
    network = trainer("fp16")
    state = network.state()
    state["scaler"]["scale"] = 2.0**40  # every gradient overflows
    network.load_state(copy.deepcopy(state))
    before = copy.deepcopy(network.model.state_dict())
    (windows,) = random_windows(1, 1)
    network.step(windows)
    weights = [name for name, _ in network.model.named_parameters()]
    assert all(torch.equal(before[name], network.model.state_dict()[name]) for name in weights)
    assert network.state()["scaler"]["scale"] == 2.0**39


def test_auto_is_made_definite() -> None:
    resolved = resolve("auto", torch.device("cpu"))
    assert resolved in {"fp32", "bf16"}
    assert [resolve(name, torch.device("cpu")) for name in get_args(Precision)[1:]] == [
        "fp32",
        "bf16",
        "fp16",
    ]


@pytest.mark.parametrize(
    ("has_bf16", "speedup", "expected"), [(True, 1.8, "bf16"), (True, 1.1, "fp32"), (False, 9.0, "fp32")]
)
def test_auto_is_bf16_on_a_cpu_that_has_it_and_is_clearly_faster_with_it(
    has_bf16: bool, speedup: float, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_bf16)
    monkeypatch.setattr("pipeline.train.precision.convolution_speedup", lambda: speedup)
    assert resolve("auto", torch.device("cpu")) == expected


def test_trying_the_cpu_out_changes_nothing() -> None:
    torch.manual_seed(0)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    assert 0 < convolution_speedup() < float("inf")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
