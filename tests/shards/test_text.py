"""Foreign text as it may be written down, and as it may be printed."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shards.text import listed, plain, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cam 1/Überwachung 監視 😀", "cam 1/Überwachung 監視 😀"),
        (os.fsdecode(b"caf\xe9.mp4"), r"caf\xe9.mp4"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_unicode_is_escaped_and_nothing_else(text: str, shown: str) -> None:
    assert printable(text) == plain(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;AAAA\x07", r"\x1b]52;c;AAAA\x07"),  # sets the clipboard
        ("\x1b[2J\x9b2J", r"\x1b[2J\x9b2J"),  # clears the screen
        ("a\nerror: b\r\t\x00\x7f", r"a\x0aerror: b\x0d\x09\x00\x7f"),
        ("\u202egpj.exe\u2066", r"\u202egpj.exe\u2066"),  # writes from right to left
        ("a\u2028b\x85", r"a\u2028b\x85"),
    ],
)
def test_what_controls_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_plain_text_is_one_line_without_controls(text: str) -> None:
    line = plain(text)
    line.encode()
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)
    assert not any(unicodedata.bidirectional(c) in BIDI for c in line)
    assert plain(line) == line


BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def test_a_list_has_its_first_names_and_counts_the_others() -> None:
    assert listed([], 2) == ""
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert listed(["a", "b"], 2, of=100) == "a, b and 98 more"
