"""JSON that may be damaged or hostile: bounded in size, depth and numbers, with one kind of error."""

import json
import math
import reprlib
from typing import Any

from shards.storage import Storage

MOST_BYTES = 32 << 20
"""The largest text in bytes, unless its owner knows better. Parsed it takes up to 21 times as much, so 0.7
GB: `[],` is 3 bytes, an empty list with its place in a list 64."""
_MOST_COMMAS, _MOST_BRACKETS = MOST_BYTES // 2, MOST_BYTES // 3
"""Of a text that is longer than that, so that its values take 1 GB at most beside it."""
_MOST_DEPTH = 64
"""Levels of nesting; what the program writes has at most 8."""
_MOST_INTEGER = 2**64
"""Integers lie below it: numpy, Arrow and float overflow on larger ones."""


def parse_json(data: bytes, where: str, *, most: int = MOST_BYTES) -> Any:
    """The value of a JSON text.

    Args:
        data: UTF-8, without a byte order mark.
        where: the file, for the message.
        most: bytes that are parsed.

    Raises:
        ValueError: one line that starts with `where`. The text is not JSON, is too long or nested too deeply,
            or holds a key twice, a number that is not finite or has more than 64 bits, or text that is not
            Unicode.
    """
    _check_size(len(data), where, most)
    if len(data) > MOST_BYTES and (
        data.count(b",") > _MOST_COMMAS or data.count(b"[") + data.count(b"{") > _MOST_BRACKETS
    ):
        raise ValueError(f"{where}: found too many values in {len(data)} bytes, expected fewer")
    try:
        value = json.loads(
            data.decode(),
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
        _check_depth(value)
        if b"\\u" in data:  # the only way to half of a surrogate pair, which no file takes as text
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError(f"{where}: not JSON: nested too deeply") from None
    except ValueError as error:  # a JSONDecodeError and a UnicodeError are one, too
        raise ValueError(f"{where}: not JSON: {_reason(error)}") from None
    return value


def read_json(storage: Storage, name: str, *, most: int = MOST_BYTES) -> Any:
    """`parse_json` of a file, whose size is looked at before it is read.

    Raises:
        ValueError: as `parse_json`.
        OSError: it cannot be read, FileNotFoundError if it is not there.
        ShardError: its storage does not answer, or refuses.
    """
    where = f"{storage}/{name}"
    _check_size(storage.size(name), where, most)
    return parse_json(storage.read(name, most=most), where, most=most)


def _check_size(size: int, where: str, most: int) -> None:
    if size > most:
        raise ValueError(f"{where}: found {size} bytes, expected JSON of at most {most}")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_MOST_DEPTH + 1):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise ValueError("nested too deeply")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("holds a key twice")
    return record


def _integer(digits: str) -> int:
    if len(digits) > 21 or not -_MOST_INTEGER < (value := int(digits)) < _MOST_INTEGER:
        raise ValueError("holds an integer of more than 64 bits")
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("holds a number that is not finite")
    return value


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    if isinstance(error, UnicodeEncodeError):
        return "holds half of a surrogate pair"
    return str(error)


def fields_of(kind: Any, value: Any) -> dict[str, Any]:
    """The fields of a dataclass from foreign JSON: exactly these."""
    expected = kind.__dataclass_fields__.keys()
    if not isinstance(value, dict) or value.keys() != expected:
        raise ValueError(
            f"found {reprlib.repr(value)}, expected a {kind.__name__.lower()} with "
            f"{', '.join(sorted(expected))}"
        )
    return value


def list_of(value: Any) -> list[Any]:
    """A list from foreign JSON."""
    if not isinstance(value, list):
        raise ValueError(f"found {reprlib.repr(value)}, expected a list")
    return value
