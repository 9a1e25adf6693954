"""What a launcher says is checked before anything believes it."""

from collections.abc import Callable

import pytest

from pipeline.errors import ConfigError
from pipeline.processes.launcher import Place, place

WHOLE = {
    "WORLD_SIZE": "4",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, str]], None]:
    """Sets the launcher's variables, and none besides."""

    def setting(variables: dict[str, str]) -> None:
        for name in WHOLE:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return setting


def test_a_process_without_a_launcher_is_alone(launched: Callable[[dict[str, str]], None]) -> None:
    launched({})
    assert place() == Place(rank=0, world=1, local_rank=0, local_world=1)


def test_the_place_is_what_the_launcher_says(launched: Callable[[dict[str, str]], None]) -> None:
    launched(WHOLE)
    assert place() == Place(rank=3, world=4, local_rank=1, local_world=2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"WORLD_SIZE": "abc"}, "WORLD_SIZE: found 'abc', expected 1 or more"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE: found '', expected 1 or more"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE: found '0', expected 1 or more"),
        ({"WORLD_SIZE": "-1"}, "WORLD_SIZE: found '-1', expected 1 or more"),
        ({"WORLD_SIZE": "9" * 5000}, "WORLD_SIZE: found '999"),
        ({"RANK": "4"}, "RANK: found '4', expected 0 to 3"),
        ({"RANK": "1.0"}, "RANK: found '1.0', expected 0 to 3"),
        ({"RANK": None}, "RANK: not set, expected beside WORLD_SIZE"),
        ({"MASTER_ADDR": None}, "MASTER_ADDR: not set"),
        ({"MASTER_PORT": None}, "MASTER_PORT: not set"),
        ({"MASTER_PORT": "99999"}, "MASTER_PORT: found '99999', expected 0 to 65535"),
        ({"MASTER_PORT": "http"}, "MASTER_PORT: found 'http', expected 0 to 65535"),
        ({"LOCAL_RANK": "x"}, "LOCAL_RANK: found 'x', expected 0 to 3"),
        ({"LOCAL_WORLD_SIZE": "two"}, "LOCAL_WORLD_SIZE: found 'two', expected 1 or more"),
        ({"WORLD_SIZE": None, "LOCAL_RANK": None}, "RANK: found '3', expected 0;"),
    ],
)
def test_what_cannot_be_is_one_line_that_names_the_variable(
    launched: Callable[[dict[str, str]], None], changes: dict[str, str], expected: str
) -> None:
    launched({name: value for name, value in (WHOLE | changes).items() if value is not None})
    with pytest.raises(ConfigError) as caught:
        place()
    assert str(caught.value).startswith(expected)
    assert "torchrun" in str(caught.value)
