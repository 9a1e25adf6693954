"""What an option is. One declaration on a field of a stage's config gives the option of the command line,
its line in --help and in docs/options.md, the docstring, the check, and its one sentence of error.

    @described
    @dataclass(frozen=True, kw_only=True)
    class TrainConfig:
        run: Annotated[str, Argument("RUN", "Where checkpoints and metrics go.")]
        batch_size: Annotated[int, Option("Windows per process and step.", "Optimisation", least=1)] = 4

        def __post_init__(self) -> None:
            check(self)

    TrainConfig(run="runs/a", batch_size=0)  # ConfigError: --batch-size: found 0, expected at least 1

The configs are plain dataclasses, and importing them loads neither click nor torch.
"""

import dataclasses
import functools
import math
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pipeline.errors import ConfigError

Config = TypeVar("Config", bound=type)


@dataclass(frozen=True, kw_only=True)
class Custom:
    """A type of value with a notation of its own on the command line.

    Attributes:
        notation: how it is written, such as `256 | HxW`.
        parse: makes a value from text, or from what TOML has in its stead; raises ValueError otherwise.
        expected: what the error says, such as `256, or height x width as 240x360`.
        show: the text of a value, for defaults.
    """

    notation: str
    parse: Callable[[Any], Any]
    expected: str
    show: Callable[[Any], str]


@dataclass(frozen=True)
class Option:
    """An option of a command: the metadata of a config's field.

    Attributes:
        help: what it does, a full phrase.
        heading: its section in --help.
        least, most: bounds, included.
        above: bound, excluded.
        metavar: the unit or kind of its value in --help; None names the type.
        default: text in place of the default, where that depends on other things.
        custom: how its value is written, where the field's type does not tell.
    """

    help: str
    heading: str
    least: float | None = None
    most: float | None = None
    above: float | None = None
    metavar: str | None = None
    default: str | None = None
    custom: Custom | None = None


@dataclass(frozen=True)
class Argument:
    """A positional argument of a command: the metadata of a config's field.

    Attributes:
        metavar: its name in --help.
        help: what it is, a full phrase.
        is_many: whether it takes all that is left; the field is a tuple.
        is_passed_on: whether options that the command does not know are among them.
        is_optional: whether there may be none.
    """

    metavar: str
    help: str
    is_many: bool = False
    is_passed_on: bool = False
    is_optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A field of a config with what was declared about it.

    Attributes:
        name: of the field.
        kind: the type of its value, None left aside.
        about: its declaration.
        default: its default, or `dataclasses.MISSING`.
    """

    name: str
    kind: Any
    about: Option | Argument
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default is dataclasses.MISSING

    @property
    def flag(self) -> str:
        """What a user calls it: `--batch-size`, or the argument's name."""
        if isinstance(self.about, Argument):
            return self.about.metavar
        return f"--{self.name.replace('_', '-')}"

    @property
    def choices(self) -> tuple[str, ...]:
        """The values it may take; empty where they are not listed."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def shown_default(self) -> str | None:
        """The default as --help shows it; None if there is none to show."""
        assert isinstance(self.about, Option)
        if self.about.default is not None:
            return self.about.default
        if self.default is None or self.default is dataclasses.MISSING:
            return None
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        return self.shown(self.default)

    def shown(self, value: Any) -> str:
        """A value as it is written on the command line."""
        custom = self.about.custom if isinstance(self.about, Option) else None
        return custom.show(value) if custom is not None else str(value)

    @property
    def bounds(self) -> str:
        """The rule for numbers, such as `at least 1`; empty without one."""
        about = self.about
        if isinstance(about, Argument):
            return ""
        if about.least is not None and about.most is not None:
            return f"{_number(about.least)} to {_number(about.most)}"
        least = f"at least {_number(about.least)}" if about.least is not None else ""
        return f"more than {_number(about.above)}" if about.above is not None else least

    def parse(self, given: Any) -> Any:
        """The value from text of the command line, or from what a TOML file has.

        Raises:
            ConfigError: it is of another type.
        """
        if isinstance(self.about, Option) and self.about.custom is not None:
            try:
                return self.about.custom.parse(given)
            except (TypeError, ValueError):
                raise self.error(given, self.about.custom.expected) from None
        kind = str if self.choices else self.kind
        if isinstance(given, str) and kind in (int, float):
            try:
                return kind(given)
            except ValueError:
                raise self.error(given, _EXPECTED[kind]) from None
        if kind is float and type(given) is int:
            return float(given)
        return given

    def check(self, value: Any) -> None:
        """Refuse a value that breaks its rule.

        Raises:
            ConfigError: names option, found and expected.
        """
        if isinstance(self.about, Option) and self.about.custom is not None:
            self.parse(value)
            return
        if self.choices:
            if value not in self.choices:
                raise self.error(value, f"one of {', '.join(self.choices)}")
            return
        if self.kind in _EXPECTED and not _is_a(value, self.kind):
            raise self.error(value, _EXPECTED[self.kind])
        about = self.about
        if isinstance(about, Option) and (
            (about.least is not None and not value >= about.least)
            or (about.most is not None and not value <= about.most)
            or (about.above is not None and not value > about.above)
        ):
            raise self.error(value, self.bounds)

    def error(self, found: Any, expected: str) -> ConfigError:
        """The one sentence about a wrong value."""
        return ConfigError(f"{self.flag}: found {found!r}, expected {expected}")


_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _number(value: float) -> str:
    """Whole numbers with all their digits."""
    return str(value) if isinstance(value, int) else f"{value:g}"


def _is_a(value: Any, kind: type) -> bool:
    """Whether a value is of a plain type; whole numbers are numbers, infinity and NaN are none."""
    if kind is float:
        return type(value) in (int, float) and math.isfinite(value)
    return type(value) is kind


def declared(config: type) -> list[Declared]:
    """The fields of a config in order, each with its declaration."""
    return list(_declared_by(config))


def declared_as(config: type, name: str) -> Declared:
    """One field of a config with its declaration."""
    (field,) = (field for field in _declared_by(config) if field.name == name)
    return field


@functools.cache
def _declared_by(config: type) -> tuple[Declared, ...]:
    """Kept, for the hints of a config are evaluated anew whenever they are asked for."""
    hints = get_type_hints(config, include_extras=True)
    return tuple(
        _declared(field.name, hints[field.name], field.default) for field in dataclasses.fields(config)
    )


def _declared(name: str, hint: Any, default: Any) -> Declared:
    kind, about = get_args(hint)
    if get_origin(kind) in (Union, types.UnionType):
        parts = [part for part in get_args(kind) if part is not type(None)]
        kind = parts[0] if len(parts) == 1 else Any
    return Declared(name=name, kind=kind, about=about, default=default)


def check(config: Any) -> None:
    """Hold every field of a config against its declaration; for its `__post_init__`.

    Raises:
        ConfigError: names option, found and expected.
    """
    for field in declared(type(config)):
        value = getattr(config, field.name)
        if value is not None or field.default is not None:
            field.check(value)


def wrong(config: Any, name: str, expected: str) -> ConfigError:
    """The sentence about a field that breaks a rule of its config beyond its own declaration."""
    field = declared_as(type(config), name)
    value = getattr(config, name)
    is_custom = isinstance(field.about, Option) and field.about.custom is not None
    return ConfigError(
        f"{field.flag}: found {field.shown(value) if is_custom else repr(value)}, expected {expected}"
    )


def described(config: Config) -> Config:
    """Add what its fields declare to the docstring of a config, so that `help` shows it."""
    lines = [f"    {field.name}: {field.about.help}" for field in declared(config)]
    config.__doc__ = "\n".join([config.__doc__ or "", "", "Attributes:", *lines])
    return config
