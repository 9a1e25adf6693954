"""Labels and masks in folders with a file for each video."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.labels.kinds import FrameLabels, MaskLabels
from pipeline.preprocess.labels.names import Matched, VideoNames, shown, some
from pipeline.preprocess.labels.readers import TABLES, partial_notes, read_frames
from pipeline.preprocess.sources.tree import SourceFile, Tree
from pipeline.preprocess.sources.videos import Layout, SourceMasks, SourceVideo
from shards.text import printable


def files_by_video(
    files: list[SourceFile], layout: Layout, where: str
) -> tuple[dict[str, SourceFile], Matched]:
    """Files NAME.suffix by the name of the testing video that they are for, and how they were matched.

    Raises:
        SourceError: two of them are for the same video.
    """
    by_stem: dict[str, SourceFile] = {}
    for file in files:
        _put(by_stem, printable(file.stem), file, where)
    matched = VideoNames(layout.testing()).match(by_stem, where)
    found: dict[str, SourceFile] = {}
    for stem, name in matched.videos.items():
        _put(found, name, by_stem[stem], where)
    return found, matched


def _put(files: dict[str, SourceFile], key: str, file: SourceFile, where: str) -> None:
    other = files.setdefault(key, file)
    if other is not file:
        paths = printable(f"{other.path} and {file.path}")
        raise SourceError(f"{where}: {paths} are both for video {key}; move one of them away")


def read_frame_labels(tree: Tree, folder: str, layout: Layout) -> FrameLabels | None:
    """NAME.npy or NAME.csv, a label of 0 or 1 for each frame of a video; None if there are none such.

    Raises:
        SourceError: there are some, but for none of the testing videos; or they cannot be read.
    """
    where = printable(f"{tree.source}/{folder}".rstrip("/"))
    files = [file for file in tree.children(folder) if file.suffix in (".npy", *TABLES)]
    found, matched = files_by_video(files, layout, where)
    arrays = [printable(file.stem) for file in files if file.suffix == ".npy"]
    if arrays and not found:
        known = some([video.name for video in layout.testing()])
        raise SourceError(
            f"{where}: labels video {shown(arrays[0])}, but the testing videos are {known}; name the "
            "files after them"
        )
    videos = {video.name: video for video in layout.testing()}
    values: dict[str, np.ndarray] = {}
    firsts: set[int] = set()
    for name, file in found.items():
        frames = read_frames(tree, file, videos[name])
        if frames is None:
            return None
        values[name] = frames.values
        firsts |= set() if frames.first is None else {frames.first}
    if not values:
        return None
    numbering = f", frames from {' or '.join(map(str, sorted(firsts)))}" if firsts else ""
    title = printable(folder.rpartition("/")[2] or tree.source.name)
    return FrameLabels(
        file=title,
        convention=f"1 = abnormal, one array per video{numbering}",
        values=values,
        notes=partial_notes(title, matched),
    )


def with_numbered_masks(tree: Tree, layout: Layout, mask_files: re.Pattern[str]) -> Layout:
    """Give testing videos that are called by a number its masks, wherever in the tree these lie.

    Args:
        tree: to look in.
        layout: of the source.
        mask_files: what such files are called; the group is the number.

    Raises:
        SourceError: there are two of one number.
    """
    numbered: dict[str, SourceFile] = {}
    for file in tree.files.values():
        if match := mask_files.fullmatch(file.name):
            _put(numbered, match[1], file, printable(str(tree.source)))

    def masks_of(video: SourceVideo) -> SourceFile | None:
        is_number = video.name.isascii() and video.name.isdecimal()
        return numbered.get(video.name.lstrip("0") or "0") if is_number else None

    return _with_masks(tree, layout, "mat", masks_of)


def with_pixel_masks(tree: Tree, layout: Layout) -> Layout:
    """Give testing videos the masks (frames, H, W) in NAME.npy.

    Raises:
        SourceError: there are two of one name.
    """
    arrays = [file for file in tree.files.values() if file.suffix == ".npy"]
    found, _ = files_by_video(arrays, layout, printable(str(tree.source)))
    return _with_masks(tree, layout, "npy", lambda video: found.get(video.name))


def _with_masks(
    tree: Tree,
    layout: Layout,
    form: Literal["mat", "npy"],
    masks_of: Callable[[SourceVideo], SourceFile | None],
) -> Layout:
    def masked(video: SourceVideo) -> SourceVideo:
        file = masks_of(video) if video.split == "testing" else None
        if file is None:
            return video
        location = tree.source.location
        return video._replace(masks=SourceMasks(location=location, form=form, files=(file,)))

    return replace(layout, videos=tuple(masked(video) for video in layout.videos))


def mask_labels(tree: Tree, layout: Layout) -> MaskLabels | None:
    """Labels from the masks that testing videos have; None if none has any.

    Args:
        tree: that the masks are in.
        layout: with masks.
    """
    masked = [video.masks for video in layout.testing() if video.masks is not None]
    if not masked:
        return None
    title = printable(PurePosixPath(masked[0].files[0].path).parent.name or "masks")
    used = [masks.files[0] for masks in masked if masks.form != "images"]
    folders = {(file.path.rpartition("/")[0], file.suffix) for file in used}
    count = sum(file.suffix == suffix for folder, suffix in folders for file in tree.children(folder))
    if count == len(used):
        return MaskLabels(file=title)
    note = f"{title}: holds masks of {count} videos, of which {len(used)} are here"
    return MaskLabels(file=title, notes=(note,))
