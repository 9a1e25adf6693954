"""The one form in which arrays of bytes are stored as npy: compared byte for byte, never parsed."""

import struct

NPY_HEADER = 128
"""Bytes before the content of an array of few dimensions."""


def npy_header(shape: tuple[int, ...]) -> bytes:
    """What numpy writes before the content of an array uint8 of `shape`, whatever its version."""
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    size = NPY_HEADER - 10
    return b"\x93NUMPY\1\0" + struct.pack("<H", size) + f"{text:<{size - 1}}\n".encode()
