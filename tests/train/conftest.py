"""Settings of all training tests."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny tensors gain nothing from threads, and waiting for each other costs much on few cores."""
    torch.set_num_threads(1)
