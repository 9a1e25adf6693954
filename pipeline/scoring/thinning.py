"""Fewer points for the same picture of a curve."""

import numpy as np


def thin(x: np.ndarray, y: np.ndarray, columns: int) -> np.ndarray:
    """The rows of a curve's points that matter when it is drawn that many columns wide.

    Of the points in a column the first, the last, the lowest and the highest stay. So a point that is left
    out lies at most a column beside the line through those that stay, however steep the curve.

    Args:
        x: (N,) rising or falling, at least one.
        y: (N,) finite.
        columns: of equal width, from the lowest to the highest x.

    Returns:
        Ascending rows; 4 * `columns` of them at most, or all N if there are no more.
    """
    if len(x) <= 4 * columns:
        return np.arange(len(x))
    low, high = float(x.min()), float(x.max())
    column = np.minimum(((x - low) * (columns / ((high - low) or 1))).astype(np.int64), columns - 1)
    group = np.cumsum(np.diff(column, prepend=column[:1]) != 0)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    ends = np.append(starts[1:], len(x)) - 1
    order = np.lexsort((y, group))  # within its column's rows, each column from the lowest to the highest
    return np.unique(np.concatenate([starts, ends, order[starts], order[ends]]))
