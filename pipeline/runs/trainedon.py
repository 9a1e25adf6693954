"""What a checkpoint says of the video that its model was trained on: at what rate, which values of 16-bit
images were black and white, and what was kept aside.

All stand in its origin, under `data`; checkpoints that are older than they are say nothing and kept nothing
aside.
"""

import reprlib
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from shards.holdout import HeldOut
from shards.names import is_video
from shards.rates import known_rate

Depth = tuple[int, int] | Literal["several"]
"""Values of 16-bit images that a model saw as 0 and 255, or that they were not the same in all videos."""
_RATE, _HELD_OUT, _DEPTH = "rate", "held_out", "depth_range"
_SEVERAL: Literal["several"] = "several"
_MOST_FRAMES = 2**53
_MOST_VALUE = 2**16 - 1


def trained_on(rate: float | None, held_out: Sequence[HeldOut], depth: Depth | None = None) -> dict[str, Any]:
    """The fields of `data`, as JSON values; a row of video, start, end and gap for each part kept aside.

    Args:
        rate: frames per second, or None where it is unknown.
        held_out: what was kept aside.
        depth: of 16-bit images; None where there were none, or their highest 8 bits were taken.
    """
    rows = [[part.video, part.start, part.end, part.gap] for part in held_out]
    ranges = {} if depth is None else {_DEPTH: depth if depth == _SEVERAL else list(depth)}
    return {_RATE: rate, _HELD_OUT: rows, **ranges}


def common_depth(sources: Iterable[dict[str, Any]]) -> Depth | None:
    """What was made of 16-bit images in some videos, from what the manifest says of their sources; None where
    there are none, or their highest 8 bits were taken in all of them."""
    facts = [depth for source in sources if isinstance(depth := source.get("depth"), dict)]
    try:
        ranges = {_depth(each.get("range")) for each in facts}
    except ValueError:
        return _SEVERAL
    return ranges.pop() if len(ranges) == 1 else _SEVERAL if ranges else None


def depth_of(origin: dict[str, Any]) -> Depth | None:
    """What a model saw of 16-bit images, from the origin of a checkpoint; None for their highest 8 bits.

    Raises:
        ValueError: what it says is no range.
    """
    return _depth(_data(origin).get(_DEPTH))


def _depth(value: object) -> Depth | None:
    if value is None or value == _SEVERAL:
        return None if value is None else _SEVERAL
    if isinstance(value, list) and len(value) == 2 and all(type(number) is int for number in value):
        low, high = value
        if 0 <= low < high <= _MOST_VALUE:
            return low, high
    raise ValueError(f"found {_DEPTH} {reprlib.repr(value)}, expected two values of 16 bits")


def rate_of(origin: dict[str, Any]) -> float | None:
    """Frames per second from the origin of a checkpoint; None where it is unknown.

    Raises:
        ValueError: what it says is not a rate.
    """
    value = _data(origin).get(_RATE)
    rate = known_rate(value)
    if value is not None and rate is None:
        raise ValueError(f"found rate {value!r:.100}, expected frames per second")
    return rate


def held_out_of(origin: dict[str, Any]) -> tuple[HeldOut, ...]:
    """What was kept aside, from the origin of a checkpoint.

    Raises:
        ValueError: it says something else.
    """
    rows = _data(origin).get(_HELD_OUT, [])
    if not isinstance(rows, list) or not all(_is_row(row) for row in rows):
        raise ValueError(f"found {_HELD_OUT} {reprlib.repr(rows)}, expected frames of videos")
    return tuple(HeldOut(video=video, start=start, end=end, gap=gap) for video, start, end, gap in rows)


def _data(origin: dict[str, Any]) -> dict[str, Any]:
    data = origin.get("data")
    return data if isinstance(data, dict) else {}


def _is_row(row: object) -> bool:
    if not isinstance(row, list) or len(row) != 4 or not is_video(row[0]):
        return False
    if any(type(number) is not int for number in row[1:]):
        return False
    start, end, gap = (int(number) for number in row[1:])
    return 0 <= gap <= start < end <= _MOST_FRAMES
