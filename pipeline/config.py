"""Options from a TOML file, and the resolved options written beside every output.

A file has one table per command: `[train]` with `epochs = 60`. The command line wins over the file, the
file over the defaults. What a command writes as `config.toml` can be given back to it with `--config`;
locations in it are without credentials and query.
"""

import dataclasses
import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import ConfigError
from pipeline.options import Custom, Option
from shards import locations

Device = Literal["auto", "cpu", "cuda"]
"""Where a stage computes; `auto` is CUDA where there is one."""


def _digest(given: Any) -> str:
    if not isinstance(given, str) or not re.fullmatch("[0-9a-f]{64}", given):
        raise ValueError(given)
    return given


_DIGEST = Custom(
    notation="SHA-256",
    parse=_digest,
    expected="the 64 hexadecimal digits that verify prints",
    show=str,
)


DEVICE = Option("Where the network runs; auto takes CUDA where there is a GPU.", "Speed")
THREADS = Option("Threads that read and decode shards.", "Speed", least=1)
"""Options of every stage that scores."""


def manifest_digest_option(heading: str) -> Option:
    """The option by which a stage pins its shard set, under one of the stage's headings."""
    return Option(
        "Takes the version of SHARDS whose manifest has this digest, as verify prints it, or refuses SHARDS.",
        heading,
        custom=_DIGEST,
    )


MOST_BYTES = 1 << 14
"""The largest configuration file in bytes; a recorded one takes 1 kB. The parser's time grows with the square
of a dotted key's length: 1 s for one that fills such a file."""


def load_config(path: Path, options: Mapping[str, Mapping[str, bool]]) -> dict[str, dict[str, Any]]:
    """The tables of a configuration file, option names with underscores.

    Args:
        path: of the file.
        options: of every command, names with underscores, and whether they take several values.

    Raises:
        ConfigError: it cannot be read, is not TOML, or holds what is no option.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a readable TOML file to --config") from error
    tables = parse_toml(data, str(path))
    known: dict[str, dict[str, Any]] = {}
    for command, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{path}: option {command!r} stands outside a table; put it under [train] or the like"
            )
        if command not in options:
            raise ConfigError(f"{path}: no command {command!r}; tables are named after {', '.join(options)}")
        known[command] = {}
        for given, value in table.items():
            name = given.replace("-", "_")
            if name not in options[command]:
                hint = nearest(name, options[command])
                raise ConfigError(f"{path}: {command} has no option {given!r}; {hint}")
            if name in known[command]:
                raise ConfigError(f"{path}: found option {given!r} of {command} twice, expected it once")
            where = f"{path}: option {given!r} of {command}"
            known[command][name] = (
                [_text(_as_given(part, where)) for part in value]
                if options[command][name] and isinstance(value, list)
                else _as_given(value, where)
            )
    return known


def nearest(name: str, names: Collection[str]) -> str:
    """What to say of a name that is none of some."""
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]!r}?" if near else f"its options are {', '.join(names)}"


def _as_given(value: Any, where: str) -> Any:
    """An option's value, which the option checks as it does one of the command line."""
    if isinstance(value, list) and value and all(type(part) in (int, float) for part in value):
        return value
    if not isinstance(value, str | int | float):
        raise ConfigError(f"{where}: found a {type(value).__name__}, expected a text or a number")
    if isinstance(value, int) and abs(value) >= 1 << 64:
        raise ConfigError(f"{where}: found a number of more than 64 bits, expected a smaller one")
    return value


def _text(value: Any) -> str:
    """One of several values as the command line would have it: `true`, `0.5`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def parse_toml(data: bytes, where: str, most: int = MOST_BYTES) -> dict[str, Any]:
    """The value of a TOML text that may be damaged or hostile.

    Args:
        data: the text.
        where: where it comes from, for the message.
        most: bytes that it may have.

    Raises:
        ConfigError: one line that starts with `where`: it is not TOML, too long or nested too deeply.
    """
    if len(data) > most:
        raise ConfigError(f"{where}: found more than {most} bytes, expected fewer; give a TOML file")
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not TOML: byte {error.start} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not TOML: {error}") from None
    except (ValueError, RecursionError) as error:
        reason = "is nested too deeply" if isinstance(error, RecursionError) else "holds too long a number"
        raise ConfigError(
            f"{where}: {reason}; give a TOML file as config.toml in an output folder is"
        ) from None


def recordable(config: Any) -> dict[str, Any]:
    """The fields of the dataclass `config` as they may be written down: locations as `locations.shown`."""
    return {name: _shown(value) for name, value in dataclasses.asdict(config).items()}


def _shown(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_shown(part) for part in value)
    return locations.shown(value) if isinstance(value, str) else value


def dump_config(command: str, config: Any) -> str:
    """The dataclass `config`, `recordable`, as a TOML table `[command]`; what is None is left out."""
    lines = [f"[{command}]"]
    for name, value in recordable(config).items():
        if value is not None:
            lines.append(f"{name} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    escaped = "".join(f"\\u{ord(c):04X}" if c < " " or c in '"\\\x7f' else c for c in str(value))
    return f'"{escaped}"'
