"""Profiles by the time of the day, as text: `day=07:00-19:00,night=19:00-07:00`. No library is loaded."""

import re

_DAY = 24 * 60
"""Minutes."""
_SPAN = re.compile(
    r"([a-z0-9][a-z0-9_-]{0,30})=([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)", re.ASCII
)


def is_by_clock(profile: str | None) -> bool:
    """Whether profiles have times of the day."""
    return profile is not None and "=" in profile


def by_minute(text: str) -> list[str]:
    """The profile of each minute of a day.

    Args:
        text: such as `day=07:00-19:00,night=19:00-07:00`.

    Raises:
        ValueError: it is no such text, a minute has no profile or two, or all have the same.
    """
    found: list[str | None] = [None] * _DAY
    for part in text.split(","):
        match = _SPAN.fullmatch(part)
        if match is None:
            raise ValueError(part)
        start, end = (60 * int(match[at]) + int(match[at + 1]) for at in (2, 4))
        for minute in range(start, end if start < end else end + _DAY):
            if found[minute % _DAY] is not None:
                raise ValueError(f"{minute % _DAY // 60:02d}:{minute % 60:02d} twice")
            found[minute % _DAY] = match[1]
    told = [name for name in found if name is not None]
    if len(told) < _DAY or len(set(told)) < 2:
        raise ValueError(text)
    return told
