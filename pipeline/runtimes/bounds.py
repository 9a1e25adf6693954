"""What a step from elsewhere may take: how many tensors, how large, and how much arithmetic.

A runtime allocates and computes whatever a graph says, and a graph of a kilobyte can say a petabyte. So the
sizes of all tensors are added up before a runtime is given the graph, and held against what a step of its
geometry needs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from mnad.local_error import SCALES, TABLE_SCALES
from mnad.networks import STRIDE, WIDTHS
from pipeline.errors import CheckpointError
from pipeline.runtimes.program import shapes

Shape = Sequence[int]

REMEDY = "export it again, or take it from where it was made"
MOST_NODES = 2000
"""Operators, and constants, of a graph; in int8, which has most, there are 590 of both."""
MOST_RANK = 8
"""Dimensions of a tensor, and values of a constant that says a shape; a step has at most five."""
MOST_KERNEL = 3
"""Height and width of a convolution's or a pooling's kernel, pixels, as in the network."""
_FLOAT = 4
"""Bytes of a value, of those that most of a step is in."""
_OF_WEIGHTS = 20
"""Bytes of constants, and of what follows from them, for each byte of the file: in int8, whose bytes become
float32 that is scaled, there are 17."""
_TRANSPOSED = ("ConvTranspose", "ConvolutionBackpropData")


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The most that a step may take for one window.

    Attributes:
        inputs: shapes of its inputs, in order; the batch is -1.
        values: of its largest tensor.
        total: bytes of all its tensors, beside those that follow from its weights.
        work: values read and written, and multiplications.
    """

    inputs: list[list[int]]
    values: int
    total: int
    work: int


def bounds(items: int, window: int, height: int, width: int) -> Bounds:
    """What a step of a geometry may take: a quarter more than any did, of tensors, and half more of work.

    The factors were found by adding up steps of both methods and all formats, of 16x16 to 384x256 pixels and
    of up to 3,000 items.
    """
    pixels, edge = height * width, max(height, width)
    queries = pixels // STRIDE**2
    kernel = 9 * 2 * WIDTHS[-1] * WIDTHS[-1]
    frames = 3 * window * pixels
    boxes = len((*SCALES, *TABLE_SCALES))
    total = (
        58 * WIDTHS[0] * pixels  # features and skips
        + 6 * frames
        + 12 * boxes * (height**2 + width**2)  # which rows and columns share a box
        + 16 * items * (WIDTHS[-1] + queries)
    )
    work = (
        280 * WIDTHS[0] ** 2 * pixels
        + 9 * WIDTHS[0] * frames
        + 6 * boxes * pixels * edge
        + 4 * WIDTHS[-1] * items * queries
    )
    return Bounds(
        inputs=shapes(items, window, height, width),
        values=2 * max(2 * WIDTHS[0] * pixels, kernel, frames, len(SCALES) * edge**2, items * WIDTHS[-1]),
        total=_FLOAT * total * 5 // 4,
        work=(work + 2 * total) * 3 // 2,
    )


class Tally:
    """Adds up what the operators of a graph take, and refuses what is more than a step may.

    Args:
        bounds: of a step.
        weights: bytes of the file that holds them.
        name: of the file, for messages.
        batch: windows that the graph is given.
    """

    def __init__(self, bounds: Bounds, weights: int, name: str, batch: int = 1) -> None:
        self._name = name
        self._values = batch * bounds.values
        self._most = batch * (bounds.total + _OF_WEIGHTS * weights)
        self._most_work = batch * (bounds.work + 2 * _OF_WEIGHTS * weights)
        self._total = self._work = 0

    def add(self, node: str, kind: str, given: Sequence[Shape], made: Sequence[Shape], taken: int) -> None:
        """Count an operator.

        Args:
            node: its name.
            kind: its type, as ONNX or OpenVINO has it.
            given: shapes of what it reads.
            made: shapes of what it makes.
            taken: bytes of what it makes, and of the constants that it reads, of which a runtime may keep a
                copy for each reader.

        Raises:
            CheckpointError: it makes too much, or the operators so far do.
        """
        for shape in made:
            if len(shape) > MOST_RANK or math.prod(shape) > self._values:
                self._refuse(f"{node!r:.60} of {[*shape]!s:.100}", f"{self._values} values")
        products = _products(kind, given)
        if products is None:
            self._refuse(f"{node!r:.60} with a kernel of {given[1:2]!s:.100}", f"{MOST_KERNEL}x{MOST_KERNEL}")
        self._total += taken + _FLOAT * sum(map(math.prod, _scratch(kind, given)))
        self._work += sum(map(math.prod, given)) + sum(map(math.prod, made)) * products
        if self._total > self._most:
            self._refuse(f"{self._total} bytes of tensors up to {node!r:.60}", f"{self._most}")
        if self._work > self._most_work:
            self._refuse(f"{self._work} multiplications up to {node!r:.60}", f"{self._most_work}")

    def _refuse(self, found: str, most: str) -> NoReturn:
        raise CheckpointError(f"{self._name}: found {found}, expected at most {most}; {REMEDY}")


def _products(kind: str, given: Sequence[Shape]) -> int | None:
    """Multiplications for each value that an operator makes; None of a kernel that no step has."""
    if kind in ("Conv", "Convolution", *_TRANSPOSED):
        kernel = given[1][2:]
        if len(given[1]) != 4 or max(kernel) > MOST_KERNEL:
            return None
        return math.prod(kernel) * given[1][0 if kind in _TRANSPOSED else 1]
    if kind == "MaxPool":
        return MOST_KERNEL**2
    return given[0][-1] if kind == "MatMul" and given[0] else 1


def _scratch(kind: str, given: Sequence[Shape]) -> list[Shape]:
    """What a transposed convolution makes beside its output: all products, before it adds them."""
    return [[*given[1][1:], given[0][0], *given[0][2:]]] if kind in _TRANSPOSED else []
