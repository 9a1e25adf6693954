"""Folders of video as they lie on a disk: every file below one, and what else there is, such as links."""

import errno
import os
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.runs.ownership import CONFIG, holds_remote_results, holds_results
from shards.storage import Storage

_IGNORED_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN"})


@dataclass(kw_only=True)
class Oddities:
    """What a folder holds beside files and folders, as relative paths; filled while it is listed.

    Attributes:
        dangling: links that lead nowhere.
        outside: links that lead out of the folder, each with the place where they lead to; they are followed.
        again: links to folders that are read already, or in which the folder itself lies; they are not.
        special: pipes, sockets and devices.
        results: folders that `score` or `watch` wrote, whose clips and overlays are no video of a camera.
        closed: folders that cannot be listed.
    """

    dangling: list[str] = field(default_factory=list)
    outside: list[tuple[str, str]] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)


def is_hidden(name: str) -> bool:
    """Whether a file or folder is left out by its name."""
    return name.startswith(".") or name in _IGNORED_FOLDERS


def walk(
    root: Path, oddities: Oddities, *, keeps_closed: bool = False
) -> Iterator[tuple[str, os.stat_result]]:
    """Files below a folder. Each folder is visited once, under its own path before any link to it.

    Args:
        root: a folder.
        oddities: is told what else there is.
        keeps_closed: whether a folder that cannot be listed is told to them; else it is an error.

    Returns:
        The path of each file, relative, with `/`, and what the system knows of it.

    Raises:
        SourceError: a folder cannot be listed, or a file not be looked at.
    """
    top = root.resolve()
    above = {_identity(folder.stat()) for folder in top.parents}
    visited: set[tuple[int, int]] = set()
    folders, links = [(root, "")], deque[tuple[Path, str]]()
    while folders or links:
        is_link = not folders
        folder, relative = links.popleft() if is_link else folders.pop()
        try:
            identity = _identity(folder.stat())
            if identity in visited or identity in above:
                oddities.again.append(relative)
                continue
            entries = sorted(os.scandir(folder), key=attrgetter("name"))
        except OSError as error:
            if keeps_closed and relative:
                oddities.closed.append(relative)
                continue
            raise SourceError(f"{folder}: cannot be listed: {error.strerror}; make it readable") from error
        visited.add(identity)
        if relative and holds_results(folder):
            oddities.results.append(relative)
            continue
        if is_link:
            _note_outside(folder, relative, top, oddities)
        inside = f"{relative}/" if relative else ""
        for entry in entries:
            if is_hidden(entry.name):
                continue
            path = inside + entry.name
            info = _info(entry)
            if info is None:
                oddities.dangling.append(path)
            elif stat.S_ISREG(info.st_mode):
                if entry.is_symlink():
                    _note_outside(Path(entry.path), path, top, oddities)
                yield path, info
            elif stat.S_ISDIR(info.st_mode):
                (links if entry.is_symlink() else folders).append((Path(entry.path), path))
            else:
                oddities.special.append(path)


def remote_results(storage: Storage, paths: Iterable[str]) -> list[str]:
    """Folders of a remote one that `score` or `watch` wrote; what lies in one of them is not looked at.

    Args:
        storage: the folder.
        paths: of all files in it.

    Raises:
        StorageError: the storage does not answer, or refuses.
    """
    marked = {path.rpartition("/")[0] for path in paths if path.endswith(f"/{CONFIG}")}
    found: list[str] = []
    for folder in sorted(marked, key=lambda folder: (folder.count("/"), folder)):
        if not is_below(folder, found) and holds_remote_results(storage, folder):
            found.append(folder)
    return found


def is_below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path lies in one of some folders."""
    return any(path.startswith(f"{folder}/") for folder in folders)


def _info(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Of what is there, or what a link leads to; None if that is nowhere."""
    try:
        return entry.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise SourceError(f"{entry.path}: cannot be read: {error.strerror}; make it readable") from error


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _note_outside(link: Path, path: str, top: Path, oddities: Oddities) -> None:
    target = link.resolve()
    if not target.is_relative_to(top):
        oddities.outside.append((path, str(target)))
