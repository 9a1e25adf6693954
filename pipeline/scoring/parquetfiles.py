"""Parquet that may be damaged or hostile: read a batch of rows at a time, and of no more rows than its size
justifies."""

import os
from collections.abc import Sequence
from typing import IO, Any

import pyarrow.parquet as pq

BATCH_ROWS = 1 << 16
"""Rows of a batch."""
_BUFFER_BYTES = 1 << 20
"""Bytes of each column that are read at a time: a whole group of a million rows would take 50 MB and more."""
_ANY_ROWS = 1 << 20
"""The number of rows that a file of any size may have: video that stands still has equal scores, which take
no room."""
_ROW_BYTES = 8
"""The fewest bytes that each row beyond `_ANY_ROWS` takes; 24 and more were found."""


def opened(file: IO[bytes], text: Sequence[str]) -> Any:
    """A Parquet file to read; of a batch, no column is held but in its own rows.

    Args:
        file: open to read, at any place.
        text: names of columns of text. They are read as dictionaries: a long name takes its length once.
    """
    return pq.ParquetFile(
        file,
        read_dictionary=list(text),
        page_checksum_verification=True,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,  # which would keep all bytes that were read
    )


def size_of(file: IO[bytes]) -> int:
    """Bytes of an open file, which is at its end then."""
    return file.seek(0, os.SEEK_END)


def most_rows(size: int) -> int:
    """Rows that files of so many bytes may have, all together."""
    return _ANY_ROWS + size // _ROW_BYTES
