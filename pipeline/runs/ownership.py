"""Whose folder it is: results go into a folder that is new, or that the same command has written before.

Every command leaves its resolved options in `config.toml` under its own name, by which its folder is known.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.config import MOST_BYTES, parse_toml
from pipeline.errors import ConfigError
from shards.errors import TooLargeError
from shards.localfiles import open_regular
from shards.locations import is_plain, shown
from shards.storage import TEMPORARY_PREFIX, Storage

CONFIG = "config.toml"
_OF_VIDEO = re.compile(rb"\[(score|watch)\]\n(?=(.*\n)*?out = )(?=(.*\n)*?device = )")
"""How the options begin of commands whose results have videos in them: clips and overlays of what they saw.
All options are recorded; a file that a person wrote beside video hardly has each of these two."""
_MOST_RECORDED = 1 << 20
"""The most bytes of recorded options: those of a score of 10,000 files, or a watch of 2,000 cameras."""


def recorded_options(folder: Storage, command: str) -> dict[str, Any] | None:
    """The options that `command` left in a folder; None if nothing, or something else, did."""
    try:
        return _options_in(read_config(folder), command)
    except FileNotFoundError:
        return None


def recorded_location(folder: Storage, command: str, option: str) -> str | None:
    """A location among the options that `command` left in a folder; None if nothing names one.

    Whoever opens such a location takes it from here, for the folder may be a stranger's.

    Args:
        folder: where the options are.
        command: that left them.
        option: that is a location; the command that reads it has one of the same name.

    Raises:
        ConfigError: it is not plain, as every location is that a command records.
    """
    location = (recorded_options(folder, command) or {}).get(option)
    if not isinstance(location, str):
        return None
    if not is_plain(location):
        raise ConfigError(
            f"{folder}/{CONFIG}: found {option} {shown(location)} with a user, a query or the like, which "
            f"may send your credentials to another server, expected none in a file; give --{option}"
        )
    return location


def read_config(folder: Storage) -> bytes:
    """The config.toml of a folder.

    Raises:
        FileNotFoundError: there is none.
        StorageError: it cannot be read, or is longer than any that a command writes.
    """
    return folder.read(CONFIG, most=_MOST_RECORDED)


def _is_of(data: bytes, command: str) -> bool:
    """Whether a command left a config.toml. One that is too long to be parsed, for it names hundreds of files
    or cameras, is known by its first line."""
    if len(data) > MOST_BYTES:
        return data.startswith(f"[{command}]\n".encode())
    return _options_in(data, command) is not None


def _options_in(data: bytes, command: str) -> dict[str, Any] | None:
    try:
        options = parse_toml(data, CONFIG).get(command)
    except ConfigError:  # not TOML
        return None
    return options if isinstance(options, dict) else None


def holds_results(folder: Path) -> bool:
    """Whether a command left clips and overlays in a local folder, which are no video of a camera."""
    try:
        with open_regular(folder / CONFIG) as file:
            return _OF_VIDEO.match(file.read(_MOST_RECORDED)) is not None
    except OSError:
        return False


def holds_remote_results(folder: Storage, name: str) -> bool:
    """Whether a command left clips and overlays in a folder `name` in another one, which may be in a bucket.

    Raises:
        StorageError: the storage does not answer, or refuses.
    """
    try:
        return _OF_VIDEO.match(folder.read(f"{name}/{CONFIG}", most=_MOST_RECORDED)) is not None
    except (FileNotFoundError, TooLargeError):
        return False


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
    if not _is_of(found, command):
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
    try:
        is_own = _is_of(read_config(folder), command)
    except FileNotFoundError:
        is_own = False
    if not is_own and not _is_empty(folder):
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
