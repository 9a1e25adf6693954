"""Which testing video a label file means by a name."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.errors import SourceError
from pipeline.preprocess.sources.videos import SourceVideo

_NUMBER = re.compile("[0-9]+")
_SHOWN = 60


def shown(text: str) -> str:
    """Foreign text for a message: in quotes, control characters escaped, cut where it is long."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


def some(names: list[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")


def only_number(name: str) -> str | None:
    """The number in a name that has one, without leading zeros."""
    numbers = _NUMBER.findall(name)
    return (numbers[0].lstrip("0") or "0") if len(numbers) == 1 else None


def _normal(name: str) -> str:
    """One form for all ways in which a system may write a name's letters."""
    return unicodedata.normalize("NFC", name)


def _loose(name: str) -> str:
    """Without upper case and leading zeros."""
    return _NUMBER.sub(lambda match: match[0].lstrip("0") or "0", _normal(_normal(name).casefold()))


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Names in a label file, and the testing videos that they mean.

    Attributes:
        videos: name in the label file to name of the video.
        by_number: those of these names that are not the video's, but have its number.
        unknown: names that mean no testing video.
    """

    videos: dict[str, str]
    by_number: tuple[str, ...]
    unknown: tuple[str, ...]


_Level = tuple[Callable[[str], str], dict[str, list[str]]]
"""The key of a label's name, and the videos that have a key."""


class VideoNames:
    """Finds testing videos by name, by the name of their file, or by their number.

    Args:
        videos: the testing videos.
    """

    def __init__(self, videos: list[SourceVideo]) -> None:
        self.known = [video.name for video in videos]
        files = {video.name: video.files[0] for video in videos if not video.is_images}
        # The name already ends in the suffix where two files differ in nothing else.
        paths = {n: n if n.endswith(file.suffix) else n + file.suffix for n, file in files.items()}
        self._exact: list[_Level] = [
            (str, _index((name, name) for name in self.known)),
            (_normal, _index((_normal(name), name) for name in self.known)),
            (_normal, _index((_normal(path), name) for name, path in paths.items())),
            (_normal, _index((_normal(file.name), name) for name, file in files.items())),
        ]
        self._numbered: list[_Level] = [
            (_loose, _index((_loose(name), name) for name in self.known)),
            (_loose, _index((_loose(path), name) for name, path in paths.items())),
            (_any_with_number, _index((only_number(name) or "", name) for name in self.known)),
            (_bare_number, _index((name.lstrip("0") or "0", name) for name in self.known if _is_bare(name))),
        ]

    def match(self, names: Iterable[str], where: str) -> Matched:
        """What each of the names means.

        Raises:
            SourceError: one of them could mean several videos.
        """
        videos: dict[str, str] = {}
        by_number: list[str] = []
        unknown: list[str] = []
        for name in names:
            found = _first(name, self._exact)
            if not found:
                found = _first(name, self._numbered)
                (by_number if found else unknown).append(name)
            if len(found) > 1:
                raise SourceError(
                    f"{where}: {shown(name)} may mean each of the testing videos {some(found)}; write one of "
                    "these names"
                )
            if found:
                videos[name] = found[0]
        return Matched(videos=videos, by_number=tuple(by_number), unknown=tuple(unknown))


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for key, name in pairs:
        if key:
            index.setdefault(key, []).append(name)
    return index


def _first(name: str, levels: list[_Level]) -> list[str]:
    """The videos of the first level that has any."""
    return next((found for key, index in levels if (found := index.get(key(name)))), [])


def _is_bare(name: str) -> bool:
    return _NUMBER.fullmatch(name) is not None


def _any_with_number(name: str) -> str:
    """A number alone stands for any name that has this number …"""
    return only_number(name) or "" if _is_bare(name) else ""


def _bare_number(name: str) -> str:
    """… and a name that has one number for that number alone."""
    return only_number(name) or ""
