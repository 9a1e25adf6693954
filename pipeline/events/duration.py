"""Lengths of time as people write them; importing this module is cheap."""

import re
from datetime import timedelta

from pipeline.errors import ConfigError

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhdw])", re.ASCII)
_MOST = timedelta(weeks=52 * 100)


def duration(text: str) -> timedelta:
    """The length of time that a text such as `90s`, `30m`, `36h`, `2d` or `1.5w` names.

    Raises:
        ConfigError: it names none, or one of more than a hundred years.
    """
    found = _DURATION.fullmatch(text)
    length = timedelta(**{_UNITS[found[2]]: float(found[1])}) if found else timedelta.max
    if length > _MOST:
        raise ConfigError(
            f"found {text!r:.40}, expected a length of time such as 90s, 30m, 36h, 2d or 1w, of at most a "
            "hundred years"
        )
    return length
