"""What frame sizes the networks take, for options that are checked before torch is there."""

from typing import Any

from pipeline.options import Custom

SIZE_STEP = 8
"""Height and width are multiples of it: the networks halve them three times."""


def _parse(given: Any) -> tuple[int, int]:
    """Height and width from `256`, `240x360`, 256 or [240, 360]."""
    parts = given if isinstance(given, list | tuple) else str(given).lower().split("x")
    if any(isinstance(part, bool | float) for part in parts) or len(parts) not in (1, 2):
        raise ValueError(given)
    edges = [int(part) for part in parts]
    return edges[0], edges[-1]


SIZE = Custom(
    notation="256 | HxW",
    parse=_parse,
    expected="256, or height x width as 240x360",
    show=lambda size: f"{size[0]}x{size[1]}" if size[0] != size[1] else str(size[0]),
)
"""How --size is written."""


def fits(size: tuple[int, int]) -> bool:
    """Whether the networks take frames of a size."""
    return all(edge >= SIZE_STEP and edge % SIZE_STEP == 0 for edge in size)


SIZES = f"height and width that are multiples of {SIZE_STEP}, which the networks halve three times"
"""What the error of a size that does not fit expects."""
