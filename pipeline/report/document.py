"""What all pages share: their style and their frame."""

from collections.abc import Iterable
from html import escape
from importlib import resources

RUNS_NOTHING = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The content security policy of a page that needs nothing else and runs nothing."""


def style() -> str:
    """The style sheet of all pages."""
    return resources.files("pipeline.report").joinpath("style.css").read_text(encoding="utf-8")


def document(title: str, body: Iterable[str], *, policy: str = RUNS_NOTHING, head: str = "") -> str:
    """A page that runs no script but those that its policy and its head allow.

    Args:
        title: plain text.
        body: pieces of HTML.
        policy: its content security policy.
        head: HTML that is added to its head.
    """
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f"<title>{escape(title)}</title>\n<style>\n{style()}</style>{head}\n</head>\n<body>\n<main>",
            *body,
            "</main>\n</body>\n</html>\n",
        )
    )


def tiles(figures: Iterable[tuple[str, str, str]]) -> str:
    """Headline figures as HTML, from the plain text of their values, names and remarks."""
    made = (
        f'<div class="tile"><b>{escape(value)}</b>{escape(name)}'
        f'<div class="muted">{escape(remark)}</div></div>'
        for value, name, remark in figures
    )
    return f'<div class="tiles">{"".join(made)}</div>'
