"""Finds the labels of a source, or those that were given, in the forms in which datasets bring them."""

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pipeline.errors import SourceError
from pipeline.preprocess.datasets import DATASETS
from pipeline.preprocess.labels.folders import (
    files_by_video,
    mask_labels,
    read_frame_labels,
    with_numbered_masks,
    with_pixel_masks,
)
from pipeline.preprocess.labels.kinds import Labels
from pipeline.preprocess.labels.names import shown, some
from pipeline.preprocess.labels.readers import TABLES, located, read_labels
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.sources.tree import SourceFile, Tree, join
from pipeline.preprocess.sources.videos import Layout, SourceMasks
from shards.storage import Storage
from shards.text import printable

NONE = "none"
"""What to give instead of a label file to go without."""
_SUFFIXES = (".npy", ".mat", ".m", *TABLES)
_STEMS = [PurePosixPath(name).stem for dataset in DATASETS for name in dataset.label_names]
_LABEL_NAME = re.compile(
    rf"(.*labels?.*|{'|'.join(map(re.escape, _STEMS))})\.(npy|mat|csv|tsv)", re.IGNORECASE
)
_EXPECTED = (
    "expected a file .npy, .mat, .m or .csv, or a folder of NAME.npy, NAME.csv or N_label.mat, one per "
    "testing video; or go without with --labels none"
)


def find_labels(tree: Tree, layout: Layout, given: str | None) -> tuple[Layout, Labels | None]:
    """The labels that were given, or else those that the source brings.

    Args:
        tree, layout: of the source.
        given: location of a label file or folder, `none`, or None to look in the source.

    Returns:
        The layout, with masks where the labels are masks, and the labels.

    Raises:
        SourceError: there are several, none where some were given, or some that cannot be read.
    """
    if given == NONE:
        return _without_masks(layout), None
    if given is not None:
        return _find_given(tree, layout, given)
    if not layout.testing():
        return layout, None
    layout = _with_masks(tree, layout)
    file = _label_file(tree, layout.root, layout)
    if file is not None:
        return layout, read_labels(tree, file, layout)
    labels = _frame_labels(tree, layout.root, layout)
    return layout, labels or mask_labels(tree, layout)


def _without_masks(layout: Layout, only_in: str | None = None) -> Layout:
    """The layout without masks, or with those alone that lie in one location."""

    def stay(masks: SourceMasks | None) -> bool:
        return masks is None or masks.location == only_in

    if all(stay(video.masks) for video in layout.videos):
        return layout
    videos = (video if stay(video.masks) else video._replace(masks=None) for video in layout.videos)
    return replace(layout, videos=tuple(videos))


def _find_given(source: Tree, layout: Layout, given: str) -> tuple[Layout, Labels]:
    """The labels in a file or folder that was named."""
    if not layout.testing():
        raise SourceError(
            f"{source.source}: has no testing videos for the labels {Storage(given)}; --split testing makes "
            "the videos of an undivided SOURCE testing videos, --labels none goes without"
        )
    tree, only = _list_given(given)
    layout = _with_masks(tree, layout)
    is_labels = only is not None and not _is_of_masks(only)
    file = only if is_labels else _label_file(tree, "", layout)
    if file is not None:
        return layout, read_labels(tree, file, layout)
    labels = _frame_labels(tree, "", layout) or read_frame_labels(tree, "", layout)
    if labels is not None:
        return layout, labels
    # Those of the source are not what was asked for, nor labels of a video that none were given for.
    layout = _without_masks(with_pixel_masks(tree, layout), only_in=tree.source.location)
    labels = mask_labels(tree, layout)
    if labels is None:
        names = [shown(printable(name)) for name in (*tree.folders(), *(f.name for f in tree.children()))]
        there = some(names) or "nothing"
        raise SourceError(f"{printable(str(tree.source))}: no labels found; {_EXPECTED}; found {there}")
    return layout, labels


def _list_given(given: str) -> tuple[Tree, SourceFile | None]:
    """The files of what was given as labels, and its file if it is one.

    Raises:
        SourceError: there is nothing, or the file is none that labels come in.
    """
    storage = Storage(given)
    path = Path(given)
    if storage.is_local and not (path.is_file() or path.is_dir()):
        raise SourceError(f"{printable(given)}: label file not found; {_EXPECTED}")
    try:
        tree = list_tree(given)
    except SourceError as error:
        if storage.is_local:
            raise
        raise SourceError(f"{storage}: label file not found; {_EXPECTED}") from error
    name = path.name if storage.is_local else PurePosixPath(given.partition("?")[0]).name
    is_file = path.is_file() if storage.is_local else list(tree.files) == [name]
    if not is_file:
        return tree, None
    only = tree.files[name]
    if only.suffix not in _SUFFIXES:
        found = shown(printable(only.suffix)) if only.suffix else "no suffix"
        raise SourceError(f"{located(tree, only)}: no labels found; {_EXPECTED}; found {found}")
    return tree, only


def _label_file(tree: Tree, root: str, layout: Layout) -> SourceFile | None:
    """The one label file of a source or folder; a file that is alone needs no known name."""
    if len(tree.files) == 1 and not root:
        alone = next(iter(tree.files.values()))
        is_of_one_video = bool(files_by_video([alone], layout, located(tree, alone))[0])
        if alone.suffix in _SUFFIXES and not _is_of_masks(alone) and not is_of_one_video:
            return alone
    folders = dict.fromkeys(dataset.script_folder for dataset in DATASETS if dataset.script_folder)
    places = [join(root, folder) for folder in folders]
    scripts = [file for place in places for file in tree.children(place) if file.suffix == ".m"]
    if scripts:
        return _only(tree, scripts)
    found = [
        file
        for folder in (root, *(join(root, name) for name in ("testing", "Testing", "test", "Test")))
        for file in tree.children(folder)
        if _LABEL_NAME.fullmatch(file.name) and not _is_of_masks(file)
    ]
    return _only(tree, found) if found else None


def _with_masks(tree: Tree, layout: Layout) -> Layout:
    """The layout with the masks that a tree has in files named after the numbers of its videos."""
    for dataset in DATASETS:
        if dataset.mask_files is not None:
            layout = with_numbered_masks(tree, layout, dataset.mask_files)
    return layout


def _is_of_masks(file: SourceFile) -> bool:
    patterns = (dataset.mask_files for dataset in DATASETS)
    return any(pattern is not None and pattern.fullmatch(file.name) for pattern in patterns)


def _only(tree: Tree, found: list[SourceFile]) -> SourceFile:
    if len(found) > 1:
        names = printable(", ".join(file.path for file in found))
        raise SourceError(f"{tree.source}: several label files, {names}; choose one with --labels")
    return found[0]


def _frame_labels(tree: Tree, root: str, layout: Layout) -> Labels | None:
    """Labels from a folder with a file for each video, where a dataset has one."""
    folders = (join(root, folder) for dataset in DATASETS for folder in dataset.label_folders)
    found = (read_frame_labels(tree, folder, layout) for folder in folders)
    return next((labels for labels in found if labels is not None), None)
