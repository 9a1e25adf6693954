"""The files of a source as they were when it was listed; importing this module costs nothing."""

from collections.abc import Iterator, Set
from itertools import chain
from operator import attrgetter
from pathlib import PurePosixPath
from posixpath import splitext
from typing import TYPE_CHECKING, NamedTuple

from pipeline.video.naming import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from pipeline.video.walking import Oddities
from shards.text import natural_key

if TYPE_CHECKING:
    from pipeline.preprocess.sources.source import Source


def join(*parts: str) -> str:
    """A relative path from its parts, without the empty ones."""
    return "/".join(part for part in parts if part)


def outwards(folder: str, root: str = "") -> Iterator[str]:
    """A folder in another one and those that it lies in, without that one; without the source itself."""
    while folder != root:
        yield folder
        folder = folder.rpartition("/")[0]


class SourceFile(NamedTuple):
    """A file of the source; a tuple, for there may be millions.

    Attributes:
        path: relative, with `/`.
        size: bytes.
        modified: nanoseconds since 1970.
    """

    path: str
    size: int
    modified: int

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The extension in lower case, with its dot."""
        return splitext(self.path)[1].lower()

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return PurePosixPath(self.path).stem


class Tree:
    """All files of a source as they were when it was listed, without hidden ones, in plain order of path.

    Args:
        source: where they lie.
        files: to look at.
        oddities: what else there is.
    """

    def __init__(self, source: "Source", files: list[SourceFile], oddities: Oddities | None = None) -> None:
        self.source = source
        self.oddities = oddities or Oddities()
        self.files = {file.path: file for file in sorted(files, key=attrgetter("path"))}
        self._children: dict[str, list[SourceFile]] = {}
        self._by_suffix: dict[str, dict[str, list[SourceFile]]] = {}
        self._folders: dict[str, dict[str, None]] = {}
        inside: dict[str, list[SourceFile]] = {}
        for path, file in self.files.items():
            inside.setdefault(path.rpartition("/")[0], []).append(file)
        for folder, children in inside.items():
            parts = [part for part in folder.split("/") if part]
            self._children.setdefault("/".join(parts), []).extend(children)
            for depth, name in enumerate(parts):
                self._folders.setdefault("/".join(parts[:depth]), {})[name] = None

    def children(self, folder: str = "") -> list[SourceFile]:
        """The files directly inside a folder."""
        return self._children.get(folder, [])

    def folders(self, folder: str = "") -> list[str]:
        """Names of the folders directly inside a folder that hold files, in natural order."""
        return sorted(self._folders.get(folder, {}), key=natural_key)

    def videos(self, folder: str = "") -> list[SourceFile]:
        """The video files directly inside a folder."""
        return self._of(folder, VIDEO_SUFFIXES)

    def images(self, folder: str = "") -> list[SourceFile]:
        """The image files directly inside a folder, in natural order."""
        return sorted(self._of(folder, IMAGE_SUFFIXES), key=lambda file: natural_key(file.path))

    def _of(self, folder: str, suffixes: Set[str]) -> list[SourceFile]:
        """The files directly inside a folder that have one of some suffixes."""
        if folder not in self._by_suffix:  # each dataset that a source may be asks for them
            by_suffix: dict[str, list[SourceFile]] = {}
            for file in self.children(folder):
                by_suffix.setdefault(file.suffix, []).append(file)
            self._by_suffix[folder] = by_suffix
        groups = [files for suffix, files in self._by_suffix[folder].items() if suffix in suffixes]
        return sorted(chain.from_iterable(groups), key=attrgetter("path"))
