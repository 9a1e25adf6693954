"""Options from a TOML file, and the resolved options written beside every output.

A file has one table per command: `[train]` with `epochs = 60`. The command line wins over the file, the
file over the defaults. What a command writes as `config.toml` can be given back to it with `--config`;
locations in it are without credentials and query.
"""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import ConfigError
from shards import locations

Device = Literal["auto", "cpu", "cuda"]
"""Where a stage computes; `auto` is CUDA where there is one."""


def load_config(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a configuration file, option names with underscores."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give a readable TOML file to --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    stray = [name for name, value in tables.items() if not isinstance(value, dict)]
    if stray:
        raise ConfigError(
            f"{path}: option {stray[0]!r} stands outside a table; put it under [train] or the like"
        )
    return {
        command: {name.replace("-", "_"): value for name, value in table.items()}
        for command, table in tables.items()
    }


def check_digest(value: str | None) -> None:
    """Check an option `--manifest-digest`.

    Raises:
        ConfigError: it is neither None nor a SHA-256.
    """
    if value is not None and not re.fullmatch("[0-9a-f]{64}", value):
        raise ConfigError(
            f"--manifest-digest: found {value!r}, expected the 64 hexadecimal digits that verify prints"
        )


def recordable(config: Any) -> dict[str, Any]:
    """The fields of the dataclass `config` as they may be written down: locations as `locations.shown`."""
    return {
        name: locations.shown(value) if isinstance(value, str) else value
        for name, value in dataclasses.asdict(config).items()
    }


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
