"""What all tests of `watch` look at."""

import math

import pytest

from pipeline.watch import clock
from tests.helpers.yard import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cameras of these tests send faster than real ones, and their clocks are believed nevertheless."""
    monkeypatch.setattr(clock, "COMPARED_SECONDS", math.inf)
