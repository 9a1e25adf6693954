"""Arrays in an npz file that may be damaged or hostile: no more memory than its size or use justify."""

import io
import zipfile
import zlib
from collections.abc import Collection, Mapping

import numpy as np

from shards.zips import content, opened

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError)
"""What reading a damaged npz file may raise."""
_KINDS = "biufU"
"""The kinds of numpy types whose values have no pointers and no code: numbers and text."""


def read_arrays(
    data: bytes, names: Mapping[str, str], most: int, optional: Collection[str] = ()
) -> dict[str, np.ndarray]:
    """The arrays of an npz file.

    Args:
        data: the file.
        names: of the arrays that it must hold, no others, and the type of each as numpy writes it: `<i8`, or
            `<U` for text of any length.
        most: bytes that all arrays together may take.
        optional: those of the names that may be missing.

    Raises:
        ValueError: one line: it is damaged, holds other arrays, or arrays that are larger.
    """
    try:
        with opened(io.BytesIO(data)) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wrong = members.keys() - names.keys() or names.keys() - members.keys() - {*optional}
            if wrong or len(archive.infolist()) != len(members):
                raise ValueError(f"found arrays {sorted(members)!r:.200}, expected {sorted(names)}")
            if sum(info.file_size for info in members.values()) > most + 4096 * len(members):
                raise ValueError(f"found arrays of more than {most} bytes")
            contents = {name: content(archive, info) for name, info in members.items()}
    except DAMAGE as error:
        raise ValueError(f"not a whole npz file ({type(error).__name__})") from error
    return {name: array_of(name, found, names[name]) for name, found in contents.items()}


def array_of(name: str, data: bytes, kind: str) -> np.ndarray:
    """One array, from the bytes of its npy file.

    Args:
        name: of it, for messages.
        data: the bytes.
        kind: as the types of `read_arrays`.

    Raises:
        ValueError: as `read_arrays`.
    """
    file = io.BytesIO(data)
    try:
        np.lib.format.read_magic(file)
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        values = np.frombuffer(data, dtype, offset=file.tell()) if dtype.kind in _KINDS else None
    except Exception as error:  # its header is a Python literal, over which a parser may fail in any way
        raise ValueError(f"{name}: not an array ({type(error).__name__})") from error
    if values is None or not dtype.str.startswith(kind) or is_fortran:
        raise ValueError(f"{name}: found an array of {dtype}, expected {np.dtype(kind)}")
    try:
        return values.reshape(shape)
    except ValueError:
        raise ValueError(f"{name}: found {len(values)} values, expected {shape!r:.80}") from None
