"""What a checkpoint says of the video that its model was trained on: at what rate, and what was kept aside.

Both stand in its origin, under `data`; checkpoints that are older than they are say nothing and kept nothing
aside.
"""

import reprlib
from collections.abc import Sequence
from typing import Any

from shards.holdout import HeldOut
from shards.names import is_video
from shards.rates import known_rate

_RATE, _HELD_OUT = "rate", "held_out"
_MOST_FRAMES = 2**53


def trained_on(rate: float | None, held_out: Sequence[HeldOut]) -> dict[str, Any]:
    """The fields of `data`, as JSON values; a row of video, start, end and gap for each part kept aside.

    Args:
        rate: frames per second, or None where it is unknown.
        held_out: what was kept aside.
    """
    return {_RATE: rate, _HELD_OUT: [[part.video, part.start, part.end, part.gap] for part in held_out]}


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
