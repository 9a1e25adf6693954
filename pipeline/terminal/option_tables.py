"""docs/options.md: every command's arguments and options as tables, from what --help is made of."""

import click

_HEAD = """# Options

Every command's arguments and options, as `--help` shows them. `make options` writes this page.
"""


def option_tables(program: click.Group) -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for name, command in sorted(program.commands.items()):
        context = click.Context(command, info_name=name)
        parts.append(f"## {name}\n\n{command.get_short_help_str(200)}\n")
        for heading, records in command.sections(context):  # type: ignore[attr-defined]
            if heading != "Other":
                rows = [f"| `{_cell(names)}` | {_cell(text)} |" for names, text in records]
                parts.append("\n".join([f"| {heading} | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("  [", " [")
