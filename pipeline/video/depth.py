"""Images of more than 8 bits: which 8 a model sees, and how many gray levels these leave."""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from pipeline.errors import SourceError
from pipeline.video.images import Picture

_VALUES = 1 << 16
Range = tuple[int, int]
"""The values that become 0 and 255."""


class DepthMap:
    """Turns images of 16 bits into frames of 8, the same way throughout a video, and keeps count.

    Args:
        wanted: the values that become 0 and 255; None keeps the highest 8 bits, as `cv2.imread` does.
    """

    def __init__(self, wanted: Range | None) -> None:
        self._range = wanted
        self._table = None if wanted is None else _table(*wanted)
        self._values = np.zeros(_VALUES, bool)
        self._levels = np.zeros(256, bool)
        self._shallow = False

    def frame(self, picture: Picture, name: str) -> np.ndarray:
        """The picture uint8 (H, W, 3) BGR.

        Args:
            picture: of 8 bits, which is left alone, or of 16.
            name: of its file, for messages.

        Raises:
            SourceError: a range was given, and the video has pictures of both kinds.
        """
        if picture.deep is None:
            self._shallow = True
        else:
            self._values[picture.deep] = True
        if self._table is not None and self._shallow and self._values.any():
            raise SourceError(
                f"{name}: found {8 if picture.deep is None else 16} bits per channel, other images of the "
                "video have another depth, which --depth-range would brighten or darken; convert them alike"
            )
        if picture.deep is None:
            return picture.pixels
        frame = picture.pixels if self._table is None else self._table[picture.deep]
        self._levels[frame] = True
        return frame

    def facts(self) -> dict[str, Any]:
        """For the manifest: what there was of 16 bits, or nothing."""
        values = np.flatnonzero(self._values)
        if not values.size:
            return {}
        return {
            "depth": {
                "bits": 16,
                "lowest": int(values[0]),
                "highest": int(values[-1]),
                "levels": int(self._levels.sum()),
                "range": None if self._range is None else list(self._range),
            }
        }


def chosen_range(option: Range | Literal["auto"] | None, pictures: Iterable[Picture]) -> Range | None:
    """The range for a video: as given, or for `auto` from the lowest to the highest value of its pictures.

    Args:
        option: `--depth-range`.
        pictures: all pictures of the video, drawn for `auto` alone.
    """
    if option != "auto":
        return option
    lowest, highest = _VALUES, -1
    for picture in pictures:
        if picture.deep is not None:
            lowest, highest = min(lowest, int(picture.deep.min())), max(highest, int(picture.deep.max()))
    return None if highest < 0 else (lowest, max(highest, lowest + 1))


def _table(low: int, high: int) -> np.ndarray:
    """(65536,) uint8: each value's place between `low` and `high`, to the nearest of 256 levels."""
    places = np.clip(np.arange(_VALUES), low, high) - low
    return ((places * 255 + (high - low) // 2) // (high - low)).astype(np.uint8)
