"""Standard error as a test sees it."""

import io
import re


class Terminal(io.StringIO):
    """Something that is written to, and says whether it is a terminal."""

    def __init__(self, is_terminal: bool = True) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def plain(text: str) -> str:
    """What was written to a terminal, without colours and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
