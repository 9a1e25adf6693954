"""Zones of a camera's picture: names for where something happens, and places that are to be less touchy.

[zones.road]
polygon = [[0.0, 0.6], [1.0, 0.5], [1.0, 1.0], [0.0, 1.0]]    # x and y, as parts of the picture
gain = -3                                                     # dB; half as touchy
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.config import parse_toml
from pipeline.errors import ConfigError, SourceError
from shards import locations
from shards.opencv import cv2
from shards.storage import storage_of

_MOST_BYTES = 16 << 10
_LEAST_GAIN = -60.0
_MOST_ZONES, _MOST_POINTS, _MOST_NAME = 250, 100, 100
_FIELDS = {"polygon", "gain"}


@dataclass(frozen=True, kw_only=True)
class Zones:
    """Where in a frame which zone is; where two overlap, the later, and the gain of the last that states one.

    Attributes:
        names: of the zones.
        index: (H, W) of the zone that each pixel is in; -1 where it is in none.
        gain: (H, W) float32, dB, at most 0.
        digest: SHA-256 of all that.
    """

    names: tuple[str, ...]
    index: np.ndarray
    gain: np.ndarray
    digest: str

    def at(self, x: float, y: float) -> str | None:
        """The zone of a place, given as parts of the picture's width and height."""
        height, width = self.index.shape
        row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
        number = int(self.index[row, column])
        return None if number < 0 else self.names[number]


def read_zones(location: str, size: tuple[int, int]) -> Zones:
    """Zones from a TOML file, for frames of a size.

    Args:
        location: of the file.
        size: height and width of what the model sees.

    Raises:
        SourceError: it is no such file.
    """
    name = locations.shown(location)
    storage, file = storage_of(location)
    try:
        zones = _checked(parse_toml(storage.read(file, most=_MOST_BYTES), name))
    except FileNotFoundError:
        raise SourceError(f"{name}: not found; give a TOML file of zones to --zones") from None
    except ConfigError as error:
        raise SourceError(str(error)) from None
    except ValueError as error:
        raise SourceError(
            f"{name}: {error}; write [zones.NAME] with polygon = [[x, y], ...] in 0 to 1, and gain in dB"
        ) from None
    index = np.full(size, -1, np.int16)
    gain = np.zeros(size, np.float32)
    scale = np.array([size[1] - 1, size[0] - 1])
    for number, (polygon, own) in enumerate(zones.values()):
        inside = np.zeros(size, np.uint8)
        cv2.fillPoly(inside, [np.rint(np.array(polygon) * scale).astype(np.int32)], (1,))
        index[inside > 0] = number
        if own is not None:  # a zone that only names a place does not take back what another one says of it
            gain[inside > 0] = own
    names = tuple(zones)
    digest = hashlib.sha256(repr((names, size)).encode() + index.tobytes() + gain.tobytes()).hexdigest()
    return Zones(names=names, index=index, gain=gain, digest=digest)


def _checked(tables: dict[str, Any]) -> dict[str, tuple[list[list[float]], float | None]]:
    """Polygon of each zone, and its gain if it states one; ValueError says what is wrong."""
    if set(tables) != {"zones"}:
        raise ValueError(f"found {', '.join(sorted(tables))[:80] or 'nothing'}, expected zones alone")
    zones = tables["zones"]
    if not isinstance(zones, dict) or not 0 < len(zones) <= _MOST_ZONES:
        raise ValueError(f"expected 1 to {_MOST_ZONES} tables under zones")
    found = {}
    for name, zone in zones.items():
        problem = next(_problems(name, zone), None)
        if problem is not None:
            raise ValueError(f"found zone {name!r:.60} with {problem}")
        found[name] = (zone["polygon"], float(zone["gain"]) if "gain" in zone else None)
    return found


def _problems(name: str, zone: Any) -> Iterator[str]:
    if not 0 < len(name) <= _MOST_NAME:
        yield f"a name of {len(name)} characters, expected 1 to {_MOST_NAME}"
    if not isinstance(zone, dict):
        yield "no fields"
        return
    if set(zone) - _FIELDS:
        yield f"{sorted(set(zone) - _FIELDS)[0]!r:.60}, expected polygon and gain alone"
    gain = zone.get("gain", 0.0)
    if not _is_number(gain) or not _LEAST_GAIN <= gain <= 0:
        # More would raise alarms that no calibration has counted.
        yield f"gain {gain!r:.60}, expected {_LEAST_GAIN:g} to 0 dB"
    polygon = zone.get("polygon")
    if not isinstance(polygon, list) or not 3 <= len(polygon) <= _MOST_POINTS:
        yield f"no polygon of 3 to {_MOST_POINTS} points"
        return
    for point in polygon:
        is_pair = isinstance(point, list) and len(point) == 2
        if not is_pair or not all(_is_number(part) and 0 <= part <= 1 for part in point):
            yield f"point {point!r:.60}, expected [x, y] in 0 to 1"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
