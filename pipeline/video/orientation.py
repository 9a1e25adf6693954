"""How a picture is to be turned and mirrored, from the display matrix that its file carries."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Orientation:
    """One of the eight ways in which a picture can lie on its side, its head or its back.

    Attributes:
        transposed: whether rows become columns; done first.
        rows_flipped: whether above and below are then swapped.
        columns_flipped: whether left and right are then swapped.
    """

    transposed: bool = False
    rows_flipped: bool = False
    columns_flipped: bool = False

    def upright(self, picture: np.ndarray) -> np.ndarray:
        """A view of a picture (H, W, C) as a viewer shows it: (H, W, C), or (W, H, C) if transposed."""
        if self.transposed:
            picture = picture.transpose(1, 0, 2)
        return picture[:: -1 if self.rows_flipped else 1, :: -1 if self.columns_flipped else 1]


UPRIGHT = Orientation()
"""The orientation of a picture that lies as it is shown."""


def orientation(matrix: Sequence[int]) -> Orientation:
    """The orientation that a display matrix (a, b, u, c, d, v, x, y, w) asks for.

    A decoded pixel (p, q), from the left and from above, is shown at (a p + c q + x, b p + d q + y). Scale
    and place don't matter to a picture that is shown alone; other angles are rounded to quarter turns, and a
    matrix of zeros leaves the picture as it is.
    """
    a, b, _, c, d = matrix[:5]
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(rows_flipped=d < 0, columns_flipped=a < 0)
    return Orientation(transposed=True, rows_flipped=b < 0, columns_flipped=c < 0)
