"""Finds and reads label files in the forms in which datasets bring them."""

import io
import re

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.labels import ArrayLabels, Labels
from pipeline.preprocess.source import Tree, list_tree

_CONCATENATED = re.compile(r"(frame_labels|labels).*\.npy")


def find_labels(tree: Tree, given: str | None) -> Labels | None:
    """Labels from the file that was given, or else from the one that the source brings.

    Args:
        tree: of the source.
        given: location of a label file, `none`, or None to look in the source.

    Raises:
        SourceError: there are several, or one that cannot be read.
    """
    if given == "none":
        return None
    if given is not None:
        tree = list_tree(given)
        return read_labels(tree, next(iter(tree.files)))
    found = [file.path for file in tree.children() if _CONCATENATED.fullmatch(file.name)]
    if len(found) > 1:
        raise SourceError(f"{tree.source}: several label files, {', '.join(found)}; choose with --labels")
    return read_labels(tree, found[0]) if found else None


def read_labels(tree: Tree, path: str) -> Labels:
    """Labels from one file of the tree."""
    return _read_array(tree, path)


def _read_array(tree: Tree, path: str) -> ArrayLabels:
    where = f"{tree.source}/{path}"
    try:
        values = np.load(io.BytesIO(tree.source.read(path)), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise SourceError(f"{where}: not an npy array of plain numbers: {error}") from error
    if max(values.shape, default=0) != values.size:
        raise SourceError(f"{where}: found an array {values.shape}, expected (frames,) or (1, frames)")
    if not np.isin(values, (0, 1)).all():
        raise SourceError(f"{where}: found values other than 0 and 1; expected 1 = abnormal, 0 = normal")
    return ArrayLabels(file=tree.files[path].name, values=values.reshape(-1).astype(bool))
