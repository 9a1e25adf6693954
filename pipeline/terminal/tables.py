"""Tables on standard output."""

import sys
from collections.abc import Iterable, Sequence

import rich.table
from rich.console import Console
from rich.text import Text

from pipeline.terminal.output import standard_output
from shards.text import plain

Table = tuple[str, list[str], list[list[str]]]
"""Title, headings, rows."""


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under headings; columns after the first are aligned to the right.

    Where the output is not a terminal, the table is 200 columns wide.

    Raises:
        OutputError: standard output cannot be written.
    """
    is_terminal = sys.stdout is not None and sys.stdout.isatty()  # None where it was closed
    table = rich.table.Table(title=Text(plain(title)), title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))  # as it is, whatever brackets it holds
    with standard_output():
        Console(width=None if is_terminal else 200).print(table)
