"""The owner of click: commands whose options and arguments come from the configs of their stages."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from pipeline.config import load_config
from pipeline.errors import ConfigError, PeerError, ShardError, UserError
from pipeline.options import Argument, Declared, Option, declared
from pipeline.terminal.output import discard_output, remark
from shards.errors import os_error_line
from shards.locations import hidden
from shards.text import plain

_KINDS = {int: "INTEGER", float: "NUMBER", str: "TEXT"}
"""How --help names the types of values."""


class _Value(click.ParamType[Any]):
    """The value of an option, read as its declaration says."""

    def __init__(self, field: Declared) -> None:
        self.field = field
        self.name = field.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value; ConfigError names option, found and expected."""
        return self.field.parse(value)


class _DeclaredOption(click.Option):
    """A declared option; no default of its own, so that what was not given is left to the config."""

    def __init__(self, field: Declared) -> None:
        assert isinstance(field.about, Option)
        self.field = field
        self.heading = field.about.heading
        if field.kind is bool:
            super().__init__([f"{field.flag}/--no-{field.flag[2:]}", field.name], default=None)
        else:
            super().__init__(
                [field.flag, field.name],
                type=_Value(field),
                metavar=_metavar(field),
                required=field.is_required,
            )

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The option's names and its text with bounds and default."""
        assert isinstance(self.field.about, Option)
        default = self.field.shown_default
        is_default = f"default: {default}" if default is not None else ""
        extras = ["required" if self.field.is_required else "", self.field.bounds, is_default]
        extra = "; ".join(part for part in extras if part)
        names = f"{self.field.flag} {_metavar(self.field)}"
        if self.field.kind is bool:
            names = f"{self.field.flag} / --no-{self.field.flag[2:]}"
        return names, self.field.about.help + (f"  [{extra}]" if extra else "")


class _DeclaredArgument(click.Argument):
    """A declared argument, explained in --help."""

    def __init__(self, field: Declared) -> None:
        assert isinstance(field.about, Argument)
        self.field = field
        about = self.about = field.about
        super().__init__(
            [field.name],
            nargs=-1 if about.is_many else 1,
            required=not (about.is_passed_on or about.is_optional),
            type=click.UNPROCESSED if about.is_passed_on else click.STRING,
            metavar=about.metavar,
        )

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """The argument's name and its text."""
        return self.about.metavar, self.about.help


def _parameter(field: Declared) -> click.Parameter:
    return _DeclaredOption(field) if isinstance(field.about, Option) else _DeclaredArgument(field)


def _metavar(field: Declared) -> str:
    about = field.about
    assert isinstance(about, Option)
    if field.choices:
        return "|".join(field.choices) if len(field.choices) < 5 else "NAME"
    if about.custom is not None:
        return about.custom.notation
    return about.metavar or _KINDS.get(field.kind, "TEXT")


class Command(click.Command):
    """A command whose --help groups its options under their headings."""

    def sections(self, ctx: click.Context) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Headings with their lines, arguments first, in the order of declaration."""
        found: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                is_argument = isinstance(parameter, click.Argument)
                heading = "Arguments" if is_argument else getattr(parameter, "heading", "Other")
                found.setdefault(heading, []).append(record)
        order = {"Arguments": 0, "Other": 2}
        yield from sorted(found.items(), key=lambda section: order.get(section[0], 1))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section per heading."""
        for heading, records in self.sections(ctx):
            with formatter.section(heading):
                formatter.write_dl(records)


class Group(click.Group):
    """The program: user errors become one line and an exit code.

    Of several processes that torchrun started, the first of each machine speaks of options, which are the
    same in all; any other error is raised by the process that is to speak of it.
    """

    command_class = Command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if _is_first_of_machine():
                # It quotes what stands where nothing is expected, perhaps a location.
                message = error.format_message() + self._remedy(error)
                raise click.UsageError(plain(hidden(message)), error.ctx) from None
            sys.exit(error.exit_code)
        except ConfigError as error:
            _fail(str(error), error.exit_code, quiet=not _is_first_of_machine())
        except UserError as error:
            _fail(str(error), error.exit_code, quiet=isinstance(error, PeerError))
        except ShardError as error:
            _fail(str(error), 1)
        except OSError as error:
            discard_output()  # it may be what failed
            _fail(os_error_line(error), 1)
        except MemoryError:
            _fail("found too little memory, expected more; free some, or work on less at a time", 1)

    def _remedy(self, error: click.UsageError) -> str:
        """Where an option of the program belongs that was given after a command."""
        own = {option: parameter for parameter in self.params for option in parameter.opts}
        if not isinstance(error, click.NoSuchOption) or error.option_name not in own or error.ctx is None:
            return ""
        given = f"{error.option_name} {own[error.option_name].make_metavar(error.ctx)}"
        return f" It stands before the command: {given} {error.ctx.info_name}"

    def stage(
        self, config: Callable[..., Any], *more: Declared, fields: type | None = None
    ) -> Callable[[Callable[[Any], None]], click.Command]:
        """Make a command of a function that takes a stage's config.

        The command is called as the function, and has the function's docstring as its help.

        Args:
            config: makes the config from what was given on the command line or in the file.
            more: options besides the config's fields, which `config` takes, too.
            fields: the config's type, where `config` is not it.
        """
        options = [*more, *declared(fields if fields is not None else config)]  # type: ignore[arg-type]
        is_passing_on = any(isinstance(f.about, Argument) and f.about.is_passed_on for f in options)

        def decorate(function: Callable[[Any], None]) -> click.Command:
            def run(**given: Any) -> None:
                function(config(**{name: value for name, value in given.items() if value is not None}))

            command = Command(
                function.__name__.replace("_", "-"),
                callback=run,
                params=[_parameter(field) for field in options],
                help=inspect.getdoc(function),
                context_settings={"ignore_unknown_options": is_passing_on},
            )
            self.add_command(command)
            return command

        return decorate


def _is_first_of_machine() -> bool:
    others = os.environ.get("WORLD_SIZE", "1") != "1" and os.environ.get("LOCAL_RANK", "0").isdigit()
    return not others or int(os.environ.get("LOCAL_RANK", "0")) == 0


def _fail(message: str, code: int, *, quiet: bool = False) -> NoReturn:
    """End with an exit code and, unless `quiet`, one line, which says which of several processes speaks."""
    if not quiet:
        several = os.environ.get("WORLD_SIZE", "1") != "1" and "RANK" in os.environ
        speaker = f"rank {os.environ['RANK']}: " if several else ""
        remark(f"error: {speaker}{hidden(message)}")
    sys.exit(code)


def use_file(ctx: click.Context, path: Path, commands: Mapping[str, click.Command]) -> None:
    """Take the defaults of options from a TOML file with one table per command.

    Raises:
        ConfigError: it cannot be read, or holds what is no option.
    """
    options = {
        name: {str(parameter.name): parameter.nargs != 1 for parameter in command.params}
        for name, command in commands.items()
    }
    ctx.default_map = load_config(path, options)
