"""Tables on standard output."""

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under headings; columns after the first are aligned to the right.

    Where the output is not a terminal, the table is 200 columns wide.
    """
    is_terminal = sys.stdout.isatty()
    table = Table(title=Text(title), title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # as it is, whatever brackets it holds
    Console(width=None if is_terminal else 200).print(table)
