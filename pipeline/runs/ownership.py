"""Whose folder it is: results go into a folder that is new, or that the same command has written before.

Every command leaves its resolved options in `config.toml` under its own name, by which its folder is known.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.config import MOST_BYTES, parse_toml
from pipeline.errors import ConfigError
from shards.storage import TEMPORARY_PREFIX, Storage

CONFIG = "config.toml"


def recorded_options(folder: Storage, command: str) -> dict[str, Any] | None:
    """The options that `command` left in a folder; None if nothing, or something else, did."""
    try:
        return _options_in(read_config(folder), command)
    except FileNotFoundError:
        return None


def read_config(folder: Storage) -> bytes:
    """The config.toml of a folder.

    Raises:
        FileNotFoundError: there is none.
        StorageError: it cannot be read, or is longer than any that a command writes.
    """
    return folder.read(CONFIG, most=MOST_BYTES)


def _options_in(data: bytes, command: str) -> dict[str, Any] | None:
    try:
        options = parse_toml(data, CONFIG).get(command)
    except ConfigError:  # not TOML
        return None
    return options if isinstance(options, dict) else None


def refuse_foreign_config(folder: Storage, command: str) -> bytes | None:
    """Keep `command` from writing over the config.toml of another command or program.

    Returns:
        The file, None if there is none.

    Raises:
        ConfigError: there is one of something else.
    """
    try:
        found = read_config(folder)
    except FileNotFoundError:
        return None
    if _options_in(found, command) is None:
        raise ConfigError(
            f"{folder}/{CONFIG}: not of {command}, which would write over it; choose a new or empty folder, "
            f"or one that {command} wrote"
        )
    return found


def refuse_foreign_folder(folder: Storage, command: str) -> None:
    """Keep `command`, which removes files, out of every folder but an empty one and its own.

    Raises:
        ConfigError: there are files, and not of `command`.
    """
    if recorded_options(folder, command) is None and not _is_empty(folder):
        raise ConfigError(
            f"{folder}: found files, but no {CONFIG} of {command}; choose a new or empty folder, or one that "
            f"{command} wrote"
        )


def refuse_links(folder: Storage, names: Iterable[str]) -> None:
    """Keep a command from writing or removing anything outside its folder, through links in it.

    Args:
        folder: where results go.
        names: of its subfolders that the command works in.

    Raises:
        ConfigError: one of them is a symbolic link.
    """
    for name in names if folder.is_local else ():
        path = Path(folder.path(name))
        if path.is_symlink():
            raise ConfigError(
                f"{folder}/{name}: found a link to {path.readlink()}, expected a folder of its own; remove "
                "the link, or choose another folder"
            )


def _is_empty(folder: Storage) -> bool:
    """Whether there is nothing, or only what a killed process left half-written."""
    if folder.is_local:
        path = Path(folder.path(""))
        return not path.exists() or all(each.name.startswith(TEMPORARY_PREFIX) for each in path.iterdir())
    return next(folder.walk(), None) is None
