"""Foreign text: names of files and videos, and whatever else somebody else has written."""

import re
from collections.abc import Sequence

_SURROGATES = re.compile("[\ud800-\udfff]")
"""What Python makes of bytes of a file name that are not UTF-8, and of halves of surrogate pairs."""
_NUMBERS = re.compile(r"(\d+)")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, ends of lines, and what changes the direction of writing."""


def printable(name: str) -> str:
    r"""A file name as text that can be written down: bytes that are not UTF-8 as escapes such as `\xff`."""
    return name if name.isascii() else _SURROGATES.sub(lambda found: _escaped(found[0]), name)


def plain(text: str) -> str:
    r"""Text for a terminal, in one line: what would control the terminal as escapes such as `\x1b`."""
    return _CONTROLS.sub(lambda found: _escaped(found[0]), printable(text))


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `2` before `10`, in any part of a path; ties between `1` and `01` fall to plain order."""
    parts = _NUMBERS.split(text)
    return tuple([(0, int(p), p) if p.isascii() and p.isdigit() else (1, 0, p) for p in parts if p])


def listed(names: Sequence[str], most: int, of: int | None = None) -> str:
    """The first few of some names, and how many more there are: `a, b and 3 more`.

    Args:
        names: all, or as many of the first as may be listed.
        most: that are listed.
        of: how many there are in all, if not all are given.
    """
    more = (len(names) if of is None else of) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _escaped(character: str) -> str:
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:
        number -= 0xDC00  # the byte itself
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}"
