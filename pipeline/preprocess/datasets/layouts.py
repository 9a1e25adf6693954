"""Which of the known datasets a source is, and which videos are in it.

Each is looked for in the source's root and up to two folders below it; what is none of them is read as a
folder of videos and of folders of images.
"""

from collections.abc import Iterator
from itertools import zip_longest

from pipeline.errors import SourceError
from pipeline.preprocess.config import DatasetName
from pipeline.preprocess.datasets import DATASETS
from pipeline.preprocess.datasets.dataset import Asked, Dataset, Form
from pipeline.preprocess.datasets.folder import FOLDER
from pipeline.preprocess.sources.tree import Tree, join
from pipeline.preprocess.sources.videos import Layout, SourceVideo
from pipeline.video.sequence import refuse_doubled
from shards.choices import Split

_DEPTH = 2
"""Archives often unpack into a folder in a folder."""
_Way = tuple[Dataset, Form]


def recognise(tree: Tree, dataset: DatasetName, split: Split) -> Layout:
    """The layout of a source.

    Args:
        tree: its files.
        dataset: the name of the one that it must be, or `auto`.
        split: of a source that is not divided.

    Raises:
        SourceError: it is none of the known datasets, not the one asked for, or several; or two of its
            videos, or two frames of one, have the same name.
    """
    layout = _recognise(tree, dataset, split)
    for video in layout.videos:
        if video.is_images:
            refuse_doubled([file.path for file in video.files], str(tree.source), video.title)
    if len({video.key for video in layout.videos}) == len(layout.videos):
        return layout
    seen: dict[tuple[str, str], SourceVideo] = {}
    for video in layout.videos:
        other = seen.setdefault(video.key, video)
        if other is not video:
            raise SourceError(
                f"{tree.source}: {other.files[0].path} and {video.files[0].path} are both video "
                f"{video.title}; move one of them away"
            )
    return layout


def _recognise(tree: Tree, name: DatasetName, split: Split) -> Layout:
    wanted = [dataset for dataset in DATASETS if name in ("auto", dataset.name)]
    known = _ways([dataset for dataset in wanted if dataset is not FOLDER])
    found = list(_known(tree, "", known, Asked(by_name=False, split=split), _DEPTH))
    if not found and name != "auto":  # its shape is enough where the name is given
        found = list(_known(tree, "", known, Asked(by_name=True, split=split), _DEPTH))
    if len(found) > 1:
        places = ", ".join(f"{layout.dataset} in {tree.source}/{layout.root}" for layout in found)
        raise SourceError(f"{tree.source}: found several datasets, {places}; give one of these folders")
    if found:
        return found[0]
    others = _ways([FOLDER] if FOLDER in wanted else [])
    roots = ("", *(tree.folders() if len(tree.folders()) == 1 else ()))
    for way in others:
        for root in roots:
            layout = _found(tree, root, [way], Asked(by_name=False, split=split))
            if layout is not None:
                return layout
    looked_for = dict.fromkeys(f"{dataset.name}: {form.looks_for}" for dataset, form in known + others)
    entries = [f"{folder}/" for folder in tree.folders()] + [file.name for file in tree.children()]
    there = ", ".join(entries[:6]) + (", …" if len(entries) > 6 else "") or "nothing"
    raise SourceError(f"{tree.source}: found {there}; looked for {'; '.join(looked_for)}")


def _ways(datasets: list[Dataset]) -> list[_Way]:
    """The forms of some datasets in the order in which they are tried, those as distributed first."""
    rows = [[(dataset, form) for form in dataset.forms] for dataset in datasets]
    return [way for rank in zip_longest(*rows) for way in rank if way is not None]


def _known(tree: Tree, root: str, ways: list[_Way], asked: Asked, depth: int) -> Iterator[Layout]:
    """The datasets in a folder and below; nothing is looked for in a folder that is one."""
    layout = _found(tree, root, ways, asked)
    if layout is not None:
        yield layout
    elif depth:
        for folder in tree.folders(root):
            yield from _known(tree, join(root, folder), ways, asked, depth - 1)


def _found(tree: Tree, root: str, ways: list[_Way], asked: Asked) -> Layout | None:
    """What a folder is by the first of some ways that finds videos in it."""
    for dataset, form in ways:
        found = form.find(tree, root, asked)
        if found is not None and found.videos:
            return Layout(
                dataset=dataset.name,
                reason=found.reason,
                root=root,
                videos=tuple(found.videos),
                is_divided=found.is_divided,
            )
    return None
