"""What torchrun tells each of the processes that it starts, in environment variables."""

import os
from dataclasses import dataclass

from pipeline.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Place:
    """The place of this process among those that were started together; alone unless a launcher says more.

    Attributes:
        rank, world: its number, and how many there are.
        local_rank, local_world: the same on this machine.
    """

    rank: int
    world: int
    local_rank: int
    local_world: int


def place() -> Place:
    """The place of this process.

    Raises:
        ConfigError: a variable is missing, no whole number or out of range.
    """
    world = _number("WORLD_SIZE", 1, 1)
    local_world = _number("LOCAL_WORLD_SIZE", 1, 1)
    if world > 1:
        _required("RANK")
        _required("MASTER_ADDR")
        _required("MASTER_PORT")
        _number("MASTER_PORT", 0, 0, 65535)
    return Place(
        rank=_number("RANK", 0, 0, world - 1),
        world=world,
        local_rank=_number("LOCAL_RANK", 0, 0, max(world, local_world) - 1),
        local_world=local_world,
    )


def _required(name: str) -> None:
    if name not in os.environ:
        raise ConfigError(
            f"{name}: not set, expected beside WORLD_SIZE; start the processes with torchrun, or unset "
            "WORLD_SIZE"
        )


def _number(name: str, default: int, least: int, most: int | None = None) -> int:
    text = os.environ.get(name, str(default))
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1
    if value < least or (most is not None and value > most):
        expected = (
            f"{least} or more" if most is None else f"{least} to {most}" if most > least else f"{least}"
        )
        raise ConfigError(
            f"{name}: found {text!r}, expected {expected}; start the processes with torchrun, or unset {name}"
        )
    return value
