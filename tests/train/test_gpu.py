"""What only a CUDA device can show about a step."""

from collections.abc import Iterator

import pytest
import torch

from mnad import MNAD
from pipeline.processes.distributed import Process
from pipeline.train.config import train_config
from pipeline.train.metrics import LossHistory
from pipeline.train.step import Trainer
from tests.helpers.training import random_windows

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


@pytest.fixture
def no_waiting() -> Iterator[None]:
    """Within a test, whatever makes the host wait for the device is an error."""
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def trainer(device: str, precision: str) -> tuple[Trainer, Process]:
    config = train_config(shards="", run="", precision=precision)
    process = Process(rank=0, world=1, device=torch.device(device))
    torch.manual_seed(0)
    return Trainer(MNAD("pred").to(process.device), config, process), process


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_steps_never_wait_for_the_device(precision: str, request: pytest.FixtureRequest) -> None:
    network, process = trainer("cuda", precision)
    history = LossHistory(3, 0, process)
    windows = random_windows(2, 3).cuda()
    network.step(windows[0])  # the first step makes Adam's state
    request.getfixturevalue("no_waiting")
    for index, batch in enumerate(windows.unbind()):
        history.record(index, network.step(batch))


@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-2), ("bf16", 5e-2), ("fp16", 5e-2)])
def test_losses_are_those_of_the_cpu(precision: str, tolerance: float) -> None:
    (windows,) = random_windows(2, 1)
    expected, found = (
        trainer("cpu", "fp32")[0].step(windows),
        trainer("cuda", precision)[0].step(windows.cuda()),
    )
    for name in ("pixel", "compact", "separate"):
        torch.testing.assert_close(
            getattr(found, name).cpu(), getattr(expected, name), rtol=tolerance, atol=1e-5
        )
