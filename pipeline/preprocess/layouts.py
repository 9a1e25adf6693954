"""Which of the known layouts a source has, and which videos are in it."""

from collections.abc import Callable
from dataclasses import dataclass

from pipeline.errors import SourceError
from pipeline.preprocess.config import DatasetName
from pipeline.preprocess.source import SourceFile, Tree
from shards.manifest import Split

_SPLIT_FOLDERS: dict[str, Split] = {
    "training": "training",
    "train": "training",
    "testing": "testing",
    "test": "testing",
}


@dataclass(frozen=True, kw_only=True)
class SourceVideo:
    """One video of a source.

    Attributes:
        split, name: what it will be called.
        files: its video file, or its images in order.
        is_images: which of the two.
    """

    split: Split
    name: str
    files: tuple[SourceFile, ...]
    is_images: bool

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A source that was understood.

    Attributes:
        dataset: which layout it has.
        reason: how that was recognised.
        videos: sorted by split and natural order of name.
    """

    dataset: str
    reason: str
    videos: tuple[SourceVideo, ...]


def recognise(tree: Tree, dataset: DatasetName, split: Split) -> Layout:
    """The layout of a source.

    Args:
        tree: its files.
        dataset: the layout that it must have, or `auto`.
        split: of a source that is not divided.

    Raises:
        SourceError: it has none of the known layouts, or not the one asked for.
    """
    tried = []
    for name, looked_for, recogniser in _RECOGNISERS:
        if dataset in ("auto", name):
            layout = recogniser(tree, split)
            if layout is not None:
                return layout
            tried.append(f"{name}: {looked_for}")
    folders = ", ".join(tree.folders()[:5]) or "no folders"
    files = ", ".join(file.name for file in tree.children()[:5]) or "no files"
    raise SourceError(f"{tree.source}: found {folders} and {files}; looked for " + "; ".join(tried))


def _folder(tree: Tree, split: Split) -> Layout | None:
    found = []
    for folder in tree.folders():
        if folder.lower() in _SPLIT_FOLDERS:
            found += _videos_below(tree, folder, _SPLIT_FOLDERS[folder.lower()])
    if found:
        return Layout(dataset="folder", reason="folders named training and testing", videos=tuple(found))
    found = _videos_below(tree, "", split)
    if found:
        return Layout(dataset="folder", reason="videos or folders of images", videos=tuple(found))
    return None


def _videos_below(tree: Tree, root: str, split: Split) -> list[SourceVideo]:
    """Videos in a folder, or in its folder `videos` or `frames`: files, or folders of images."""
    for inner in ("videos", "frames", ""):
        folder = "/".join(part for part in (root, inner) if part)
        files = tree.videos(folder)
        stems = [file.stem for file in files]
        found = [
            SourceVideo(
                split=split,
                name=file.stem if stems.count(file.stem) == 1 else file.name,
                files=(file,),
                is_images=False,
            )
            for file in files
        ]
        for name in tree.folders(folder):
            images = tree.images("/".join(part for part in (folder, name) if part))
            if images:
                found.append(SourceVideo(split=split, name=name, files=tuple(images), is_images=True))
        if found:
            return found
    return []


_RECOGNISERS: tuple[tuple[str, str, Callable[[Tree, Split], Layout | None]], ...] = (
    ("folder", "videos or folders of images, or {training,testing}/{videos,frames}", _folder),
)
