"""Files of weights made to exhaust whoever reads them, each in the form that a good one has besides.

Every builder writes what one of the readers is given: a checkpoint, the training state beside one, or a
published model or its memory items.
"""

import functools
import io
import json
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.spec import ModelSpec
from tests.helpers import published

Builder = Callable[[], bytes | Path]
SPEC = ModelSpec(method="recon", window=1, items=4, height=16, width=16)
HEAD = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
TAIL = pickle.dumps([], 2)
_GIGABYTES = 4 << 30


def good_checkpoint(**changed: torch.Tensor) -> bytes:
    """A checkpoint; `changed` tensors stand in place of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tensors = SPEC.build().state_dict()
    made = Checkpoint(name="", spec=SPEC, tensors=tensors | changed, step=0, epoch=0, origin={})
    return made.to_bytes()


def claiming(**claims: Any) -> bytes:
    """A checkpoint of one small tensor whose specification says something else."""
    spec = {**vars(SPEC), **claims}
    fields = {"format": "mnad-checkpoint", "version": 1, "spec": spec, "step": 0, "epoch": 0, "origin": {}}
    return safetensors.torch.save({"memory.items": torch.ones(4, 512)}, {"mnad": json.dumps(fields)})


def with_header(text: bytes, data: bytes = b"") -> bytes:
    """A safetensors file of any header."""
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def many_empty_tensors() -> bytes:
    """20 MB of tensors without values, each an object of its own."""
    each = b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    return with_header(b"{" + b",".join(each % number for number in range(400_000)) + b"}")


def deep_header() -> bytes:
    """Lists in lists in the project's own metadata."""
    deep = json.dumps("[" * 300_000).encode()
    return with_header(b'{"__metadata__":{"mnad":' + deep + b"}}")


def legacy(opcodes: bytes) -> bytes:
    """A file in the legacy format whose root is made by `opcodes`."""
    return HEAD + opcodes + TAIL


def zipped(opcodes: bytes, **members: bytes) -> bytes:
    """A file in the zip format whose root is made by `opcodes`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", opcodes)
        archive.writestr("archive/byteorder", b"little")
        archive.writestr("archive/version", b"3\n")
        for name, data in members.items():
            archive.writestr(f"archive/data/{name}", data)
    return buffer.getvalue()


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def tensor(key: str, shape: tuple[int, ...], stride: tuple[int, ...], count: int) -> bytes:
    """Opcodes that make a float32 tensor of the storage `key`, which they say has `count` values."""

    def number(value: int) -> bytes:
        return b"\x8a\x08" + struct.pack("<q", value)

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = b"(" + _text("storage") + b"ctorch\nFloatStorage\n" + _text(key) + _text("cpu") + number(count)
    place = storage + b"tQ" + number(0) + numbers(shape) + numbers(stride)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + place + b"\x89ccollections\nOrderedDict\n)RtR"


def _shared(number: int) -> bytes:
    """Opcodes that put what is on the stack there a second time."""
    return b"q" + bytes([number]) + b"h" + bytes([number])


def nested_tuples(levels: int = 60) -> bytes:
    """Opcodes that make tuples that hold each other twice, whose hash takes 2**levels steps."""
    return b")" + b"".join(_shared(level) + b"\x86" for level in range(levels))


def nested_key() -> bytes:
    """A dict with a key that takes years to hash."""
    return b"\x80\x02}" + nested_tuples() + b"K\x01s."


def colliding_keys(count: int = 60_000) -> bytes:
    """A dict of numbers that all have one hash."""
    numbers = (k * (2**61 - 1) for k in range(1, count + 1))
    each = b"".join(b"\x8a\x0b" + n.to_bytes(11, "little") + b"N" for n in numbers)
    return b"\x80\x02}(" + each + b"u."


def nested_value(levels: int = 60) -> bytes:
    """A dict whose value is lists that hold each other twice."""
    body = b"]"
    for level in range(levels):
        body = b"](" + body + _shared(level) + b"e"
    return b"\x80\x02}" + _text("optimizer") + body + b"s."


def nested_modules(levels: int = 60) -> bytes:
    """A module that holds another twice, which holds another twice, and so on."""
    body = b"capart\nThing\n)\x81"
    for level in range(levels):
        children = (
            b"}(" + _text("a") + body + b"q" + bytes([level]) + _text("b") + b"h" + bytes([level]) + b"u"
        )
        body = b"capart\nThing\n)\x81}" + _text("_modules") + children + b"sb"
    return b"\x80\x02" + body + b"."


def repeated_calls() -> bytes:
    """One list of 40,000 pairs, of which each of 100,000 calls makes a dict."""
    pairs = b"](" + b"".join(b"M" + struct.pack("<H", n) + b"N\x86" for n in range(40_000)) + b"e"
    calls = b"h\x01h\x00R" * 100_000
    return b"\x80\x02](" + pairs + b"\x85q\x00ccollections\nOrderedDict\nq\x01" + calls + b"e."


@functools.cache
def overlapping_members(count: int = 80, size: int = 25 << 20) -> bytes:
    """A zip file of 25 MB with 80 storages of 25 MB: each goes on through all those after it."""
    names = [f"archive/data/{number}".encode() for number in range(count)]
    tensors = (tensor(str(number), (size // 4,), (1,), size // 4) for number in range(count))
    contents, listed = bytes(size), []
    for name in reversed(names):
        about = _about(contents)
        listed.append((name, about, len(contents)))
        contents = b"PK\3\4" + about + struct.pack("<HH", len(name), 0) + name + contents
    root = b"\x80\x02](" + b"".join(tensors) + b"e."
    pickled = b"archive/data.pkl"
    first = b"PK\3\4" + _about(root) + struct.pack("<HH", len(pickled), 0) + pickled + root
    places = {name: len(first) + len(contents) - length - 30 - len(name) for name, _, length in listed}
    entries = [(pickled, _about(root), 0), *((name, about, places[name]) for name, about, _ in listed)]
    return _zip_file(first + contents, entries)


def _about(data: bytes) -> bytes:
    """What both headers of a stored member say of it."""
    return struct.pack("<HHHHHIII", 20, 0, 0, 0, 33, zlib.crc32(data), len(data), len(data))


def _zip_file(start: bytes, entries: list[tuple[bytes, bytes, int]]) -> bytes:
    """`start` with a list of members after it: names, what is said of them, and where their headers are."""
    listed = b"".join(
        b"PK\1\2\x14\0" + about + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, at) + name
        for name, about, at in entries
    )
    count = len(entries) & 0xFFFF
    return (
        start + listed + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, count, count, len(listed), len(start), 0)
    )


@functools.cache
def deflated_member() -> bytes:
    """A zip file of 4 MB with a storage of 4 GB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        count = _GIGABYTES // 4
        archive.writestr("archive/data.pkl", b"\x80\x02" + tensor("0", (count,), (1,), count) + b".")
        with archive.open("archive/data/0", "w", force_zip64=True) as file:
            for _ in range(_GIGABYTES >> 24):
                file.write(bytes(1 << 24))
    return buffer.getvalue()


def many_members(count: int = 300_000) -> bytes:
    """A zip file of 24 MB whose list has 300,000 members of no bytes."""
    root = b"\x80\x02N."
    first = b"PK\3\4" + _about(root) + struct.pack("<HH", 16, 0) + b"archive/data.pkl" + root
    empty = ((f"archive/data/{number}".encode(), _about(b""), 0) for number in range(count))
    return _zip_file(first, [(b"archive/data.pkl", _about(root), 0), *empty])


PICKLES: dict[str, Callable[[], bytes]] = {
    "memo of 2**31 places": lambda: legacy(b"\x80\x02Nr\xff\xff\xff\x7f."),
    "byte array of 8 GB": lambda: legacy(b"\x80\x05\x96" + struct.pack("<Q", 8 << 30) + b"."),
    "30 million dicts": lambda: legacy(b"\x80\x02" + b"}" * 30_000_000 + b"."),
    "nested key": lambda: legacy(nested_key()),
    "nested key, zip": lambda: zipped(nested_key()),
    "colliding keys": lambda: legacy(colliding_keys()),
    "nested values": lambda: zipped(nested_value()),
    "nested modules": lambda: legacy(nested_modules()),
    "repeated calls": lambda: legacy(repeated_calls()),
    "nested storages": lambda: HEAD + pickle.dumps({}, 2) + b"\x80\x02](" + nested_tuples() + b"e.",
    "100,000 lists in one another": lambda: legacy(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."),
    "overlapping members": overlapping_members,
    "deflated member": deflated_member,
    "300,000 members": many_members,
    "strided tensor": lambda: zipped(
        b"\x80\x02}" + _text("a") + tensor("0", (2_000_000, 512), (0, 1), 512) + b"s.",
        **{"0": struct.pack("<f", 512**-0.5) * 512},
    ),
}
"""Torch files: what is given as a training state, as a published model and as memory items."""

CHECKPOINTS: dict[str, Callable[[], bytes]] = {
    "items of 16 GB": lambda: claiming(items=8_000_000),
    "items within the range": lambda: claiming(items=1 << 20),
    "items beyond 64 bits": lambda: claiming(items=2**63),
    "window of 14 GB": lambda: claiming(method="pred", window=2_000_000),
    "window within the range": lambda: claiming(method="pred", window=1 << 20),
    "400,000 empty tensors": many_empty_tensors,
    "deep metadata": deep_header,
    "deep header": lambda: with_header(b"[" * 900_000),
}

UNTRAINED: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "int8": (
        {"decoder.output.6.bias": torch.ones(3, dtype=torch.int8)},
        r"found decoder\.output\.6\.bias of int8 \[3\], expected float32 \[3\]",
    ),
    "float8": (
        {"decoder.output.6.bias": torch.ones(3).to(torch.float8_e4m3fn)},
        r"found decoder\.output\.6\.bias of float8_e4m3fn \[3\], expected float32 \[3\]",
    ),
    "long items": (
        {"memory.items": torch.ones(4, 512) * 1000 / 512**0.5},
        r"found memory\.items with items of length 1000\.000 to 1000\.000, expected 1",
    ),
    "negative variance": (
        {"encoder.levels.0.1.running_var": torch.full((64,), -0.5)},
        r"found encoder\.levels\.0\.1\.running_var with negative values down to -0\.5, expected 0 or more",
    ),
    "NaN": (
        {"decoder.output.6.bias": torch.tensor([0.0, float("nan"), 0.0])},
        r"found decoder\.output\.6\.bias with values that are no numbers, expected finite ones",
    ),
    "infinity": (
        {"decoder.output.6.weight": torch.full((3, 64, 3, 3), float("inf"))},
        r"found decoder\.output\.6\.weight with values that are no numbers, expected finite ones",
    ),
    "another shape": (
        {"decoder.output.6.bias": torch.ones(4)},
        r"found decoder\.output\.6\.bias of float32 \[4\], expected float32 \[3\]",
    ),
    "a stray tensor": ({"extra": torch.ones(1)}, "found extra, expected the network's tensors alone"),
}
"""Tensors in place of good ones that no trained model has, and what is said of them."""


def good_keys() -> bytes:
    """Memory items as they are published."""
    return published.save(published.keys())
