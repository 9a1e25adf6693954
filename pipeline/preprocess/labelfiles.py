"""Finds and reads label files in the forms in which datasets bring them."""

import csv
import io
import re
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.labels import ArrayLabels, FrameLabels, IntervalLabels, Labels, MaskLabels
from pipeline.preprocess.matfiles import read_cell
from pipeline.preprocess.source import SourceFile, Tree, join, list_tree
from pipeline.preprocess.videos import Layout, SourceMasks, SourceVideo

NONE = "none"
"""What to give instead of a label file to go without."""
_UCSD_LINE = re.compile(r"TestVideoFile\{end\+1\}\.gt_frame\s*=\s*\[([^\]]*)\]")
_UCSD_RANGE = re.compile(r"(\d+)(?:\s*:\s*(\d+))?")
_MASK_FILE = re.compile(r"0*(\d+)_label\.mat")
_LABEL_NAME = re.compile(r"(.*labels?.*|ped[12]|avenue|shanghai(tech)?)\.(npy|mat|csv)", re.IGNORECASE)


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
        return replace(layout, videos=tuple(replace(v, masks=None) for v in layout.videos)), None
    if given is None and not layout.testing():
        return layout, None
    root = layout.root
    if given is not None:
        tree, root = list_tree(given), ""
    layout = _with_avenue_masks(tree, layout)
    file = _label_file(tree, root)
    if file is not None:
        return layout, _read_file(tree, file, layout)
    for folder in _frame_mask_folders(tree, root, is_given=given is not None):
        labels = _read_frame_masks(tree, folder, layout)
        if labels is not None:
            return layout, labels
    if given is not None:
        layout = _with_pixel_masks(tree, layout)
    masked = [video.masks for video in layout.testing() if video.masks is not None]
    if masked:
        return layout, MaskLabels(file=PurePosixPath(masked[0].files[0].path).parent.name or "masks")
    if given is not None:
        raise SourceError(
            f"{tree.source}: no labels found; expected a file .npy, .mat, .m or .csv, or a folder of "
            "NAME.npy or N_label.mat, one per testing video"
        )
    return layout, None


def _label_file(tree: Tree, root: str) -> SourceFile | None:
    """The one label file of a source; a source that is one file is that file."""
    if list(tree.files) and len(tree.files) == 1 and not root:
        only = next(iter(tree.files.values()))
        if only.suffix in (".npy", ".mat", ".m", ".csv") and not _MASK_FILE.fullmatch(only.name):
            return only
    scripts = [file for file in tree.children(join(root, "Test")) if file.suffix == ".m"]
    if scripts:
        return _only(tree, scripts)
    found = [
        file
        for folder in (root, *(join(root, name) for name in ("testing", "Testing", "test", "Test")))
        for file in tree.children(folder)
        if _LABEL_NAME.fullmatch(file.name) and not _MASK_FILE.fullmatch(file.name)
    ]
    return _only(tree, found) if found else None


def _only(tree: Tree, found: list[SourceFile]) -> SourceFile:
    if len(found) > 1:
        names = ", ".join(file.path for file in found)
        raise SourceError(f"{tree.source}: several label files, {names}; choose one with --labels")
    return found[0]


def _read_file(tree: Tree, file: SourceFile, layout: Layout) -> Labels:
    data = tree.source.read(file.path)
    where = f"{tree.source}/{file.path}"
    if file.suffix == ".npy":
        values = _binary(_load_npy(data, where), where)
        if max(values.shape, default=0) != values.size:
            raise SourceError(f"{where}: found an array {values.shape}, expected (frames,) or (1, frames)")
        return ArrayLabels(file=file.name, values=values.reshape(-1))
    if file.suffix == ".mat":
        rows = [_gt_intervals(cell, where) for cell in read_cell(data, "gt", where)]
        return _by_position(file, layout, rows, "gt: first and last abnormal frame, 1-based", where)
    if file.suffix == ".m":
        return _by_position(file, layout, _ucsd_intervals(data, where), "gt_frame, 1-based inclusive", where)
    return _read_csv(file, data, layout, where)


def _load_npy(data: bytes, where: str) -> np.ndarray:
    try:
        return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise SourceError(f"{where}: not an npy array of plain numbers: {error}") from error


def _binary(values: np.ndarray, where: str) -> np.ndarray:
    if not np.isin(values, (0, 1)).all():
        raise SourceError(f"{where}: found values other than 0 and 1; expected 1 = abnormal, 0 = normal")
    return values.astype(bool)


def _gt_intervals(cell: np.ndarray, where: str) -> list[tuple[int, int]]:
    """Row 0 of a (2, k) cell holds first frames, row 1 last ones, both 1-based; (2,) is a single interval."""
    if cell.size == 0:
        return []
    if cell.ndim == 1 and cell.shape == (2,):
        cell = cell[:, None]
    if cell.shape == (1, 2):
        cell = cell.T
    if cell.ndim != 2 or cell.shape[0] != 2:
        raise SourceError(f"{where}: found a cell {cell.shape} in gt, expected (2, intervals)")
    return [_from_one(int(first), int(last), where) for first, last in cell.T]


def _ucsd_intervals(data: bytes, where: str) -> list[list[tuple[int, int]]]:
    lines = [line.partition("%")[0] for line in data.decode("latin-1").splitlines()]
    found = _UCSD_LINE.findall("\n".join(lines))
    if not found:
        raise SourceError(f"{where}: no line like TestVideoFile{{end+1}}.gt_frame = [61:180];")
    return [
        [_from_one(int(first), int(last or first), where) for first, last in _UCSD_RANGE.findall(ranges)]
        for ranges in found
    ]


def _from_one(first: int, last: int, where: str) -> tuple[int, int]:
    """1-based inclusive to 0-based end-exclusive."""
    if not 1 <= first <= last:
        raise SourceError(f"{where}: found an interval from {first} to {last}; expected 1 <= first <= last")
    return first - 1, last


def _by_position(
    file: SourceFile, layout: Layout, rows: list[list[tuple[int, int]]], convention: str, where: str
) -> IntervalLabels:
    names = [video.name for video in layout.testing()]
    if len(rows) != len(names):
        raise SourceError(
            f"{where}: labels {len(rows)} videos, but there are {len(names)} testing videos; "
            "give the matching file with --labels"
        )
    intervals = dict(zip(names, rows, strict=True))
    return IntervalLabels(file=file.name, convention=convention, intervals=intervals)


def _read_csv(file: SourceFile, data: bytes, layout: Layout, where: str) -> IntervalLabels:
    """Lines video,start,end; a video is meant by its name or its file's name."""
    expected = "expected a header video,start,end and lines like 01,60,180 (0-based, end exclusive)"
    aliases = {video.files[0].name: video.name for video in layout.testing() if not video.is_images}
    aliases |= {video.name: video.name for video in layout.testing()}
    intervals: dict[str, list[tuple[int, int]]] = {}
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig")), skipinitialspace=True, strict=True)
        if not {"video", "start", "end"} <= set(rows.fieldnames or ()):
            raise SourceError(f"{where}: found columns {rows.fieldnames}; {expected}")
        for row in rows:
            start, end = int(row["start"]), int(row["end"])
            if not 0 <= start < end:
                raise SourceError(f"{where}: line {rows.line_num}: interval {start},{end}; {expected}")
            intervals.setdefault(aliases.get(row["video"], row["video"]), []).append((start, end))
    except (TypeError, ValueError, csv.Error) as error:
        raise SourceError(f"{where}: not such a table ({error!r}); {expected}") from error
    _refuse_unknown(where, list(intervals), layout)
    return IntervalLabels(file=file.name, convention="0-based, end exclusive", intervals=intervals)


def _frame_mask_folders(tree: Tree, root: str, *, is_given: bool) -> list[str]:
    inside = [join(root, *parts) for parts in (("testing", "test_frame_mask"), ("test_frame_mask",))]
    return [*inside, root] if is_given else inside


def _read_frame_masks(tree: Tree, folder: str, layout: Layout) -> FrameLabels | None:
    """NAME.npy, an array (frames,) of 0 and 1 for each video; None if there are none such."""
    values = {}
    for file in tree.children(folder):
        if file.suffix == ".npy":
            where = f"{tree.source}/{file.path}"
            array = _load_npy(tree.source.read(file.path), where)
            if array.ndim != 1:
                return None
            values[file.stem] = _binary(array, where)
    if not values:
        return None
    name = folder.rpartition("/")[2] or tree.source.name
    where = f"{tree.source}/{folder}".rstrip("/")
    _refuse_unknown(where, list(values), layout)
    missing = [video.name for video in layout.testing() if video.name not in values]
    if missing:
        raise SourceError(f"{where}: no labels for testing video {missing[0]}; expected {missing[0]}.npy")
    return FrameLabels(file=name, values=values)


def _refuse_unknown(where: str, names: list[str], layout: Layout) -> None:
    known = [video.name for video in layout.testing()]
    unknown = [name for name in names if name not in known]
    if unknown:
        there = ", ".join(known[:5]) + (", …" if len(known) > 5 else "")
        raise SourceError(
            f"{where}: labels video {unknown[0]!r}, but the testing videos are {there or 'none'}"
        )


def _with_avenue_masks(tree: Tree, layout: Layout) -> Layout:
    """Give testing video NN the masks in N_label.mat, from wherever in the tree such files are."""
    numbered = {
        int(match[1]): file for file in tree.files.values() if (match := _MASK_FILE.fullmatch(file.name))
    }

    def masked(video: SourceVideo) -> SourceVideo:
        number = int(video.name) if video.name.isdecimal() else -1
        if video.split != "testing" or number not in numbered:
            return video
        masks = SourceMasks(location=tree.source.location, form="mat", files=(numbered[number],))
        return replace(video, masks=masks)

    return replace(layout, videos=tuple(masked(video) for video in layout.videos))


def _with_pixel_masks(tree: Tree, layout: Layout) -> Layout:
    """Give testing videos the masks (frames, H, W) in NAME.npy."""
    arrays = {file.stem: file for file in tree.files.values() if file.suffix == ".npy"}

    def masked(video: SourceVideo) -> SourceVideo:
        if video.split != "testing" or video.name not in arrays:
            return video
        masks = SourceMasks(location=tree.source.location, form="npy", files=(arrays[video.name],))
        return replace(video, masks=masks)

    return replace(layout, videos=tuple(masked(video) for video in layout.videos))
