"""Arrays in .npy files: nothing is allocated because a header says so, and nothing is unpickled."""

import io
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.labels.bytestream import ByteStream

_MAGIC = np.lib.format.MAGIC_LEN
_REMEDY = "save it as np.save(file, array.astype(np.uint8))"


@dataclass(frozen=True, kw_only=True)
class Npy:
    """An .npy file whose header was read.

    Attributes:
        shape, dtype: of the array; numbers or booleans.
        is_fortran: whether the first index varies fastest.
        stream: stands at the array's first byte.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool
    stream: ByteStream

    def read(self) -> np.ndarray:
        """The array.

        Raises:
            SourceError: the file does not hold as many bytes as its header says, or more.
        """
        size = math.prod(self.shape) * self.dtype.itemsize
        # The stream gives what there is: a header that claims more than that costs nothing.
        data = self.stream.read(size + 1)
        if len(data) != size:
            found = f"{len(data)} bytes" if len(data) < size else "more bytes"
            raise SourceError(
                f"{self.stream.where}: found {found} behind the header, expected {size} for {self.shape} of "
                f"{self.dtype}; fetch or save the file again"
            )
        try:
            return np.frombuffer(data, self.dtype).reshape(self.shape, order="F" if self.is_fortran else "C")
        except ValueError as error:  # no bytes, but one of the edges is more than an array can have
            raise SourceError(f"{self.stream.where}: found an array of shape {self.shape}") from error

    def planes(self) -> Iterator[np.ndarray]:
        """The arrays that make up an array along its first index, one after another where they lie so.

        Raises:
            SourceError: the file does not hold as many bytes as its header says, or more.
        """
        if self.is_fortran:
            yield from self.read()
            return
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        for _ in range(self.shape[0]):
            yield np.frombuffer(self.stream.exactly(size), self.dtype).reshape(self.shape[1:])
        if self.stream.read(1):
            raise SourceError(f"{self.stream.where}: found more bytes than {self.shape} of {self.dtype} take")


def open_npy(stream: ByteStream) -> Npy:
    """Read the header of an .npy file.

    Raises:
        SourceError: it is none, or not one of plain numbers.
    """
    where = stream.where
    head = stream.read(_MAGIC + 2)
    # Version 1.0 holds headers of up to 64 kB; later ones, of up to 4 GB, are not for plain arrays.
    text = stream.read(int.from_bytes(head[_MAGIC:], "little") if head[6:_MAGIC] == b"\1\0" else 0)
    try:
        if not head.startswith(np.lib.format.MAGIC_PREFIX):
            raise ValueError("another kind of file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 are read just as well
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(io.BytesIO(head[_MAGIC:] + text))
    except Exception as error:  # the header is Python text, and numpy raises whatever its damage leads to
        raise SourceError(f"{where}: not an npy array; {_REMEDY}") from error
    if dtype.hasobject:
        raise SourceError(
            f"{where}: not an npy array of plain numbers but of Python objects, which are not read, for that "
            f"could run code; {_REMEDY}"
        )
    if dtype.kind not in "buif" or min(shape, default=0) < 0:
        raise SourceError(f"{where}: not an npy array of plain numbers: {shape} of {dtype}; {_REMEDY}")
    return Npy(shape=tuple(map(int, shape)), dtype=dtype, is_fortran=bool(is_fortran), stream=stream)
