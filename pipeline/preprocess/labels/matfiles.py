"""MATLAB files of version 5 to 7 as label archives use them: a cell vector of matrices.

scipy.io reads the whole format, and believes what a file says of itself: it inflates without an end,
allocates as much as the dimensions ask for, and ends the interpreter over some flipped bytes or 30,000 cells
inside one another. Labels need little of the format; read one matrix after another, they take the memory of
one matrix.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.labels.bytestream import ByteStream

_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Types of stored numbers; MATLAB stores the whole numbers of a double matrix as small integers."""
_CELL, _NUMERIC = 1, range(6, 16)
_CLASSES = {2: "a struct", 3: "an object", 4: "text", 5: "a sparse matrix", 16: "a function", 17: "an object"}
_COMPLEX = 1 << 11
_PIECE = 1 << 18
_NAME_BYTES = 4096
"""MATLAB's names are shorter than 64."""
Order = Literal["<", ">"]
"""The order of the bytes of a number: the least or the most significant one first."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell vector whose elements are read when they are asked for.

    Attributes:
        count: of elements.
        elements: matrices of numbers, once, in order; each raises SourceError for damage.
    """

    count: int
    elements: Iterator[np.ndarray]


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What a matrix says before its contents."""

    kind: int
    is_complex: bool
    dims: tuple[int, ...]
    name: bytes


def open_cell(stream: ByteStream, key: str, *, values: int, inflated: int) -> Cell:
    """Find a cell vector; a matrix of numbers counts as a cell of one.

    Args:
        stream: of the file.
        key: the variable.
        values: that an element may have.
        inflated: bytes that the variable may take when it is decompressed.

    Raises:
        SourceError: the file is of another version or damaged, has no such variable, or holds something else.
    """
    header = stream.read(128)
    if header[126:] not in (b"MI", b"IM"):
        raise SourceError(f"{stream.where}: not a MATLAB file of version 5 to 7; save it again with -v7")
    order: Order = ">" if header[126:] == b"MI" else "<"
    (version,) = struct.unpack(f"{order}H", header[124:126])
    if version >> 8 == 2:
        raise SourceError(f"{stream.where}: a MATLAB 7.3 file; save it again with -v7")
    while tag := stream.read(8):
        kind, size = _tag(tag, order, stream.where)
        end = stream.position + size
        body = stream
        if kind == _COMPRESSED:
            body = ByteStream(_inflated(stream, size, inflated), stream.where)
            kind, size = _tag(body.read(8), order, stream.where)
        if kind != _MATRIX:
            raise SourceError(f"{stream.where}: damaged, found an element of type {kind} for a variable")
        reader = _Reader(body, order, values)
        head = reader.head()
        if head.name == key.encode():
            return reader.cell(head, key)
        stream.skip(end - stream.position)
    raise SourceError(f"{stream.where}: has no variable {key!r}")


def _tag(data: bytes, order: Order, where: str) -> tuple[int, int]:
    if len(data) < 8:
        raise SourceError(f"{where}: cut short within a MATLAB variable; fetch it again")
    kind, size = struct.unpack(f"{order}II", data)
    return kind, size


def _inflated(stream: ByteStream, size: int, limit: int) -> Iterator[bytes]:
    """The contents of a compressed element of `size` bytes, of which there may be `limit`."""
    unpacker = zlib.decompressobj()
    total = 0
    try:
        for piece in stream.take(size):
            while not unpacker.eof and (data := unpacker.decompress(piece, _PIECE)):
                piece = unpacker.unconsumed_tail
                total += len(data)
                if total > limit:
                    raise SourceError(
                        f"{stream.where}: inflates to more than {limit} bytes, which labels of these videos "
                        "do not need; give the matching file with --labels"
                    )
                yield data
    except zlib.error as error:
        raise SourceError(f"{stream.where}: damaged compressed data; fetch it again") from error
    if not unpacker.eof:
        raise SourceError(f"{stream.where}: cut short within compressed data; fetch it again")


class _Reader:
    """Reads the parts of one variable.

    Args:
        body: stands behind the tag of the variable's matrix.
        order: of its bytes.
        values: that a matrix may have.
    """

    def __init__(self, body: ByteStream, order: Order, values: int) -> None:
        self._body = body
        self._order = order
        self._values = values

    def head(self) -> _Head:
        """Class, dimensions and name of a matrix."""
        _, flags = self._part(8)
        _, dims = self._part(4 * 32)
        if len(flags) != 8 or len(dims) % 4 or len(dims) < 8:
            raise SourceError(f"{self._body.where}: damaged, a MATLAB matrix without class or dimensions")
        _, name = self._part(_NAME_BYTES)
        (word, _) = struct.unpack(f"{self._order}II", flags)
        edges = struct.unpack(f"{self._order}{len(dims) // 4}i", dims)
        if min(edges) < 0:
            raise SourceError(f"{self._body.where}: damaged, a MATLAB matrix of dimensions {edges}")
        return _Head(kind=word & 0xFF, is_complex=bool(word & _COMPLEX), dims=edges, name=name)

    def cell(self, head: _Head, key: str) -> Cell:
        """The variable, whose head was read."""
        if head.kind != _CELL:
            return Cell(count=1, elements=iter([self._numbers(head, key)]))
        count = math.prod(head.dims)
        if sorted(head.dims)[:-1] not in ([1], []) and count:
            raise SourceError(f"{self._body.where}: {key} is a cell {head.dims}, expected a cell vector")
        return Cell(count=count, elements=self._elements(count, key))

    def _elements(self, count: int, key: str) -> Iterator[np.ndarray]:
        for _ in range(count):
            kind, size = _tag(self._body.read(8), self._order, self._body.where)
            end = self._body.position + size
            if kind != _MATRIX:
                raise SourceError(f"{self._body.where}: damaged, found an element of type {kind} in {key}")
            yield self._numbers(self.head(), key) if size else np.zeros((0, 0))
            if self._body.position > end:
                raise SourceError(f"{self._body.where}: damaged, a matrix in {key} is longer than it says")
            self._body.skip(end - self._body.position)
        while self._body.read(_PIECE):
            pass  # the checksum of compressed data lies at its end

    def _numbers(self, head: _Head, key: str) -> np.ndarray:
        where = self._body.where
        if head.kind not in _NUMERIC or head.is_complex:
            found = "complex numbers" if head.kind in _NUMERIC else _CLASSES.get(head.kind, "another cell")
            raise SourceError(f"{where}: {key} holds {found}, expected matrices of numbers")
        count = math.prod(head.dims)
        if count > self._values:
            raise SourceError(
                f"{where}: {key} holds a matrix {head.dims}, expected at most {self._values} numbers"
            )
        kind, data = self._part(8 * count)
        if not count:
            return np.zeros((0, 0))
        dtype = np.dtype(_STORED.get(kind, "V1")).newbyteorder(self._order)
        if dtype.kind == "V" or len(data) != count * dtype.itemsize:
            raise SourceError(f"{where}: damaged, {len(data)} bytes of type {kind} for {head.dims} in {key}")
        return np.frombuffer(data, dtype).reshape(head.dims, order="F")

    def _part(self, most: int) -> tuple[int, bytes]:
        """The type and bytes of an element, of which there may be `most`; small ones lie in their tag."""
        (word,) = struct.unpack(f"{self._order}I", self._body.exactly(4))
        kind, size = word & 0xFFFF, word >> 16
        if size:
            data = self._body.exactly(4)
        else:
            (size,) = struct.unpack(f"{self._order}I", self._body.exactly(4))
            if size > max(most, 4):
                raise SourceError(f"{self._body.where}: damaged, an element of {size} bytes, expected {most}")
            data = self._body.exactly(size)
            self._body.skip(-size % 8)
        if size > len(data):
            raise SourceError(f"{self._body.where}: damaged, a small element of {size} bytes")
        return kind, data[:size]
