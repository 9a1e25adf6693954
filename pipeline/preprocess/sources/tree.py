"""The files of a source as they were when it was listed; importing this module costs nothing."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from posixpath import splitext
from typing import TYPE_CHECKING

from pipeline.video.naming import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from shards.text import natural_key

if TYPE_CHECKING:
    from pipeline.preprocess.sources.source import Source


def join(*parts: str) -> str:
    """A relative path from its parts, without the empty ones."""
    return "/".join(part for part in parts if part)


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file of the source.

    Attributes:
        path: relative, with `/`.
        size: bytes.
        modified: nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int

    @cached_property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @cached_property
    def suffix(self) -> str:
        """The extension in lower case, with its dot."""
        return splitext(self.name)[1].lower()

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return PurePosixPath(self.path).stem


@dataclass(kw_only=True)
class Oddities:
    """What a folder holds beside files and folders, as relative paths; filled while it is listed.

    Attributes:
        dangling: links that lead nowhere.
        outside: links that lead out of the folder, each with the place where they lead to; they are followed.
        again: links to folders that are read already, or in which the folder itself lies; they are not.
        special: pipes, sockets and devices.
    """

    dangling: list[str] = field(default_factory=list)
    outside: list[tuple[str, str]] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    special: list[str] = field(default_factory=list)


class Tree:
    """All files of a source as they were when it was listed, without hidden ones.

    Args:
        source: where they lie.
        files: to look at.
        oddities: what else there is.
    """

    def __init__(self, source: "Source", files: list[SourceFile], oddities: Oddities | None = None) -> None:
        self.source = source
        self.oddities = oddities or Oddities()
        self.files = {file.path: file for file in sorted(files, key=lambda file: natural_key(file.path))}
        self._children: dict[str, list[SourceFile]] = {}
        self._names: dict[str, set[str]] = {}
        self._folders: dict[str, dict[str, None]] = {}
        for file in self.files.values():
            parts = [part for part in file.path.split("/") if part]
            self._children.setdefault("/".join(parts[:-1]), []).append(file)
            for depth in range(len(parts) - 1):
                parent = "/".join(parts[:depth])
                self._folders.setdefault(parent, {})[parts[depth]] = None

    def children(self, folder: str = "") -> list[SourceFile]:
        """The files directly inside a folder, in natural order."""
        return self._children.get(folder, [])

    def names(self, folder: str = "") -> set[str]:
        """Of the files directly inside a folder."""
        if folder not in self._names:  # each dataset that a source may be asks for them
            self._names[folder] = {file.name for file in self.children(folder)}
        return self._names[folder]

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders directly inside a folder that hold files, in natural order."""
        return sorted(self._folders.get(folder, {}), key=natural_key)

    def videos(self, folder: str = "") -> list[SourceFile]:
        """The video files directly inside a folder, in natural order."""
        return [file for file in self.children(folder) if file.suffix in VIDEO_SUFFIXES]

    def images(self, folder: str = "") -> list[SourceFile]:
        """The image files directly inside a folder, in natural order."""
        return [file for file in self.children(folder) if file.suffix in IMAGE_SUFFIXES]
