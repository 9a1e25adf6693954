"""What of a source a run does not read, or reads from elsewhere: links and files of other kinds."""

from collections import Counter
from collections.abc import Iterable, Iterator, Set
from pathlib import Path, PurePosixPath
from posixpath import splitext

from pipeline.errors import SourceError
from pipeline.preprocess.sources.tree import Tree, outwards
from pipeline.preprocess.sources.videos import Layout, frames_in
from pipeline.video.naming import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from shards.text import listed, natural_key, printable

_MOST = 10
"""Names, or kinds of files, that a line lists."""


def refuse_dangling(tree: Tree) -> None:
    """A link that leads nowhere may stand for a video: an error.

    Raises:
        SourceError: there are such links; it names them.
    """
    found = [printable(path) for path in sorted(tree.oddities.dangling)]
    if found:
        raise SourceError(
            f"{tree.source}: {_count(len(found), 'link')} to a file or folder that is not there: "
            f"{_listed(found)}; restore what they lead to, remove them, or skip them with --on-error skip"
        )


def unread(tree: Tree, layout: Layout, labels: str | None) -> Iterator[str]:
    """A line each, where there is something to say, on files that are not read and on links.

    Args:
        tree: the source, whose label files were read through it.
        layout: what was recognised in it.
        labels: location of label files given by the user.
    """
    read = _read(tree, layout)
    left = _left_out(tree, read, labels)
    previews = _previews(tree, left)
    left = [path for path in left if path not in previews]
    odd = tree.oddities
    kinds = Counter(printable(PurePosixPath(path).suffix.lower()) or "without extension" for path in left)
    ranked = sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))
    parts = [_listed([f"{kind} {count}" for kind, count in ranked])] if ranked else []
    if odd.dangling:
        one = len(odd.dangling) == 1
        parts.append(f"{_count(len(odd.dangling), 'link')} that {'leads' if one else 'lead'} nowhere")
    folders = _unread_folders(left, read)
    if parts:
        among = f"; among them all video and images in {_listed(folders)}" if folders else ""
        yield f"not read in {tree.source}: {', '.join(parts)}{among}"
    if previews:
        yield (
            f"{_count(len(previews), 'image')} of the same name as a video beside it, not read as frames: "
            f"{_listed([printable(path) for path in sorted(previews)])}"
        )
    if odd.results:
        yield (
            f"left out {_count(len(odd.results), 'folder')} of results, which score or watch wrote: "
            f"{_listed([printable(path) for path in odd.results])}"
        )
    if odd.again:
        yield (
            f"{_count(len(odd.again), 'link')} to a folder that is read already or holds SOURCE, not followed"
            f": {_listed([printable(path) for path in odd.again])}"
        )
    if odd.outside:
        places = [f"{printable(path)} to {printable(target)}" for path, target in odd.outside]
        yield f"read through {_count(len(places), 'link')} out of SOURCE: {_listed(places)}"


def _read(tree: Tree, layout: Layout) -> set[str]:
    """Paths of the files that are read: videos, their masks, and labels."""
    here = tree.source.location
    masks = [video.masks for video in layout.videos if video.masks is not None]
    read = tree.source.opened | {file.path for video in layout.videos for file in video.files}
    return read | {file.path for mask in masks if mask.location == here for file in mask.files}


def _left_out(tree: Tree, read: Set[str], labels: str | None) -> list[str]:
    here = tree.source.location
    left = [path for path in (*tree.files, *tree.oddities.special) if path not in read]
    if labels is None or "://" in labels or "://" in here:
        return left
    given = Path(labels).resolve()
    return [path for path in left if not (Path(here) / path).resolve().is_relative_to(given)]


def _previews(tree: Tree, left: list[str]) -> set[str]:
    """Those of the files that are images of the same name as a video beside them."""
    found: set[str] = set()
    for folder in _folders(left):
        if tree.videos(folder):
            frames = {file.path for file in frames_in(tree, folder)}
            found |= {file.path for file in tree.images(folder) if file.path not in frames}
    return found.intersection(left)


def _unread_folders(left: list[str], read: Set[str]) -> list[str]:
    """The outermost folders with video files or images in which nothing is read."""
    media = [path for path in left if splitext(path)[1].lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES]
    if not media:
        return []
    holding = {above for folder in _folders(read) for above in outwards(folder)}
    unread = [[above for above in outwards(folder) if above not in holding] for folder in _folders(media)]
    return sorted({printable(each[-1]) for each in unread if each}, key=natural_key)


def _folders(paths: Iterable[str]) -> set[str]:
    """The folders that files lie in."""
    return {path.rpartition("/")[0] for path in paths}


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    return listed(names, _MOST)
