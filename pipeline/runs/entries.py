"""Dataclasses from foreign JSON, each value held against the type that its field declares."""

import dataclasses
import functools
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


def entries(kind: type[T], value: Any, name: str = "") -> T:
    """A dataclass from a JSON object; entries that it has no field for are passed over.

    Fields may be texts, numbers (a `float` may be written as a whole number, and stays one), dataclasses,
    tuples of one type, dicts, choices, `Any`, and one of these or None.

    Args:
        kind: the dataclass.
        value: as `shards.jsonfile.parse_json` gives it.
        name: of the object, for the message.

    Raises:
        ValueError: one line that names the first entry that is missing or of another type.
    """
    if not isinstance(value, dict):
        raise ValueError(f"found no entries in {name or 'it'}")
    found = {}
    for field, hint in _hints(cast(type, kind)).items():
        inner = f"{name}.{field}".lstrip(".")
        if field not in value:
            raise ValueError(f"found no {inner}")
        found[field] = _value(hint, value[field], inner)
    return kind(**found)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of a dataclass's fields; some files hold thousands of the same kind."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _value(hint: Any, value: Any, name: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):  # a choice or None is the former
        (other,) = (part for part in arguments if part is not NoneType)
        return None if value is None else _value(other, value, name)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return entries(hint, value, name)  # type: ignore[arg-type]
    if origin is tuple:
        if not isinstance(value, list):
            raise ValueError(f"found no list {name}")
        return tuple(_value(arguments[0], item, name) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise ValueError(f"found no entries in {name}")
        return {key: _value(arguments[1], item, name) for key, item in value.items()}
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"found {name} {value!r:.80}, expected {' or '.join(arguments)}")
        return value
    if type(value) not in ((int, float) if hint is float else (hint,)):
        raise ValueError(f"found {name} of type {type(value).__name__}")
    return value
