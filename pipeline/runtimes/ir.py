"""The text of an OpenVINO model from elsewhere, looked at before OpenVINO reads it.

OpenVINO computes shapes, and the constants that they are made of, while it reads. So a text is refused
beforehand if it holds operators that `export` does not write, graphs in graphs, or shapes that are computed
from anything but small constants and the shapes of tensors.
"""

import math
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from pipeline.runtimes.bounds import MOST_KERNEL, MOST_NODES, MOST_RANK

_MOST_TEXT = 4 << 20
"""Bytes; in int8, which has most, there are 0.3 MB."""
_MOST_TAGS = 100_000
"""Opened or closed, of which ElementTree makes 0.3 kB each; in int8 there are 12,500."""
_VERSION = "11"

_OPERATORS = {
    "opset1": (
        *("Add", "Concat", "Const", "Convert", "Convolution", "ConvolutionBackpropData", "Divide", "Exp"),
        *("FakeQuantize", "Floor", "FloorMod", "Greater", "GreaterEqual", "Less", "Log", "MatMul", "Maximum"),
        *("Minimum", "Multiply", "Parameter", "Power", "ReLU", "ReduceMax", "ReduceMean", "ReduceSum"),
        *("Reshape", "Result", "Select", "Squeeze", "Subtract", "Tanh", "Transpose", "Unsqueeze"),
    ),
    "opset3": ("Broadcast", "ShapeOf"),
    "opset4": ("ReduceL2",),
    "opset6": ("GatherElements",),
    "opset8": ("Gather", "Slice", "SoftMax"),
    "opset11": ("TopK",),
    "opset12": ("ScatterElementsUpdate",),
    "opset14": ("MaxPool",),
}
"""What `export` writes, for any method, size and precision."""

_SHAPES = {
    "Broadcast": (1, 2),
    "ConvolutionBackpropData": (2,),
    "Gather": (2,),
    "ReduceL2": (1,),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceSum": (1,),
    "Reshape": (1,),
    "ScatterElementsUpdate": (3,),
    "Slice": (1, 2, 3, 4),
    "Squeeze": (1,),
    "TopK": (1,),
    "Transpose": (1,),
    "Unsqueeze": (1,),
}
"""The inputs of an operator that say a shape, so that OpenVINO computes their values while it reads."""
_SINGLE = ("Gather", "Squeeze", "TopK", "Unsqueeze")
"""Those of which each such input is one number."""

_BYTES = {"boolean": 1, "u8": 1, "i8": 1, "f16": 2, "i32": 4, "f32": 4, "i64": 8, "f64": 8}
"""Bytes of one value of a constant."""


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """An operator.

    Attributes:
        id, kind: what it is called by, and its type.
        data: its attributes.
        ports: of its inputs, in order.
    """

    id: str
    kind: str
    data: dict[str, str]
    ports: list[str]


def checked(text: bytes, weights: int) -> bytes:
    """The text as OpenVINO may read it, written anew, so that it reads what was looked at here.

    Args:
        text: of model.xml.
        weights: bytes of model.bin.

    Raises:
        ValueError: OpenVINO may not read it.
    """
    root = _parsed(text)
    parts = {part.tag: part for part in root}
    if root.tag != "net" or root.get("version") != _VERSION or not {"layers", "edges"} <= parts.keys():
        raise ValueError(f"found no network of version {_VERSION}, expected one")
    if len(parts) != len(root) or parts.keys() - {"layers", "edges", "rt_info"}:
        raise ValueError(f"found a network of {', '.join(parts)!r:.100}, expected layers and edges alone")
    if "rt_info" in parts:  # of the converter; nothing is computed with it
        root.remove(parts["rt_info"])
    if len(parts["layers"]) > MOST_NODES:
        raise ValueError(f"found {len(parts['layers'])} operators, expected at most {MOST_NODES}")
    sources = _sources(parts["edges"])
    lengths: dict[str, int | None] = {}
    for element in parts["layers"]:
        layer = _layer(element)
        given = [sources.get((layer.id, port), "") for port in layer.ports]
        if layer.id in lengths or not all(source in lengths for source in given):
            raise ValueError(f"found {layer.kind} {layer.id!r:.20} before what it reads, or twice")
        lengths[layer.id] = _length(layer, [lengths[source] for source in given], weights)
    return ElementTree.tostring(root)


def _parsed(text: bytes) -> Element:
    """The tree, of a text without entities, comments and other instructions."""
    if len(text) > _MOST_TEXT:
        raise ValueError(f"found {len(text)} bytes, expected at most {_MOST_TEXT}")
    try:
        decoded = text.decode()
        if "<!" in decoded or decoded.count("<") > _MOST_TAGS:
            raise ValueError(f"found more than {_MOST_TAGS} tags, or others than those of a network")
        return ElementTree.fromstring(decoded)
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        raise ValueError(f"found no XML ({error})") from error


def _sources(edges: Element) -> dict[tuple[str, str], str]:
    """Which layer each input (layer, port) reads."""
    found: dict[tuple[str, str], str] = {}
    for edge in edges:
        place = edge.get("to-layer", ""), edge.get("to-port", "")
        if edge.tag != "edge" or len(edge) or place in found:
            raise ValueError(
                f"found {edge.tag!r:.40} twice or with parts, expected edges from one to another"
            )
        found[place] = edge.get("from-layer", "")
    return found


def _layer(element: Element) -> _Layer:
    """An operator that `export` writes, and no more of it than that."""
    kind = element.get("type", "")
    if kind not in _OPERATORS.get(element.get("version", ""), ()):
        raise ValueError(f"found the operator {kind!r:.40}, expected those that export writes")
    parts = {part.tag: part for part in element}
    data, inputs = (parts.get(tag, Element(tag)) for tag in ("data", "input"))
    ports = [port for tag in ("input", "output") for port in parts.get(tag, ())]
    if (
        len(parts) != len(element)
        or parts.keys() - {"data", "input", "output"}
        or len(data)
        or any(port.tag != "port" for port in ports)
        or any(dim.tag != "dim" or len(dim) for port in ports for dim in port)
    ):
        raise ValueError(f"found parts of {kind} that export does not write")
    return _Layer(
        id=element.get("id", ""),
        kind=kind,
        data=dict(data.attrib),
        ports=[port.get("id", "") for port in inputs],
    )


def _length(layer: _Layer, given: list[int | None], weights: int) -> int | None:
    """How many values a layer has that a shape may be made of; None of any other.

    Args:
        layer: looked at.
        given: the same of what it reads.
        weights: bytes of model.bin.

    Raises:
        ValueError: it would let OpenVINO compute more, or read beyond the weights.
    """
    for place in _SHAPES.get(layer.kind, ()):
        length = given[place] if place < len(given) else 1
        if length is None or (length != 1 and layer.kind in _SINGLE):
            raise ValueError(f"found {layer.kind} of a computed shape, expected a constant one")
    if layer.kind == "MaxPool" and max(_numbers(layer, "kernel"), default=0) > MOST_KERNEL:
        raise ValueError(f"found a kernel of {layer.data['kernel']!r:.40}, expected at most {MOST_KERNEL}")
    if layer.kind == "Const":
        length = _constant(layer, weights)
    elif layer.kind == "ShapeOf":
        length = MOST_RANK
    else:
        length = _joined(layer.kind, [each for each in given if each is not None]) if all(given) else None
    return length if length is not None and length <= MOST_RANK else None


def _joined(kind: str, given: list[int]) -> int | None:
    """The same of an operator on such values."""
    if kind == "Concat":
        return sum(given)
    if kind == "Gather":
        return given[1] if len(given) == 3 else None
    return max(given, default=None) if kind in ("Convert", "Maximum") else None


def _constant(layer: _Layer, weights: int) -> int:
    """How many values a constant has, all of which are in the weights."""
    kind = layer.data.get("element_type", "")
    if kind not in _BYTES:
        raise ValueError(f"found a constant of {kind!r:.40}, expected {', '.join(_BYTES)}")
    count = math.prod(_numbers(layer, "shape"))
    (offset,), (size,) = _numbers(layer, "offset"), _numbers(layer, "size")
    if size != count * _BYTES[kind] or offset + size > weights:
        raise ValueError(f"found a constant of {count} {kind} in {size} bytes at {offset} of {weights}")
    return count


def _numbers(layer: _Layer, name: str) -> list[int]:
    """What an attribute lists."""
    words = layer.data.get(name, "").split(",")
    words = [word.strip() for word in words if word.strip()]
    if not all(word.isascii() and word.isdecimal() and len(word) < 20 for word in words):
        raise ValueError(f"found {name} {layer.data[name]!r:.40} of {layer.kind}, expected whole numbers")
    return [int(word) for word in words]
