"""Damaged and hostile variants of good input, for property tests of everything that reads a file."""

import json
from typing import Any

from hypothesis import strategies as st

_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**63,
    10**400,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "\x1b]52;c;AAAA\x07",
    "../../escape",
    "\ud800",
    "x" * 5000,
    [],
    {},
    [[[[]]]],
    {"__class__": "x"},
)
"""Values of a wrong type, size or meaning, one of which takes the place of a good one."""


@st.composite
def mutated_bytes(draw: st.DrawFn, good: bytes) -> bytes:
    """`good` with one to three of: flipped bits, a cut end, bytes left out, put in twice, or overwritten."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 3))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        length = draw(st.integers(1, 64))
        kind = draw(st.sampled_from(("flip", "cut", "drop", "repeat", "overwrite")))
        if kind == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at:]
        elif kind == "drop":
            del data[at : at + length]
        elif kind == "repeat":
            data[at:at] = data[at : at + length]
        else:
            data[at : at + length] = draw(st.binary(min_size=1, max_size=length))
    return bytes(data)


@st.composite
def mutated_json(draw: st.DrawFn, good: Any) -> bytes:
    """The JSON text of `good` with one value, at any depth, left out or replaced by an odd one.

    Some nest a hundred thousand lists in place of the value, deeper than a parser that recurses can follow.
    """
    record = json.loads(json.dumps(good))
    places = list(_places(record, None, None))
    parent, key = draw(st.sampled_from(places))
    kind = draw(st.sampled_from(("remove", "replace", "replace", "replace", "nest")))
    if parent is None:
        record = draw(st.sampled_from(_ODD_VALUES))
    elif kind == "remove":
        del parent[key]
    elif kind == "replace":
        parent[key] = draw(st.sampled_from(_ODD_VALUES))
    else:
        parent[key] = "NESTED"
        return json.dumps(record).replace('"NESTED"', "[" * 100_000 + "]" * 100_000).encode()
    return json.dumps(record).encode("utf-8", "surrogatepass")


def _places(value: Any, parent: Any, key: Any) -> Any:
    """Every (container, key) in a JSON value, the value itself as (None, None)."""
    yield parent, key
    if isinstance(value, dict):
        for name in value:
            yield from _places(value[name], value, name)
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from _places(value[index], value, index)
