"""A scored frame as a picture: heat over what is abnormal, its box, and a strip of rarity under it.

Dimension letters: H W height and width of the frame, h w of the error map, n moments in the strip.
"""

import math
from dataclasses import dataclass

import numpy as np

from pipeline.events.event import Box
from pipeline.events.scale import height as height_of
from pipeline.events.scale import round_marks
from pipeline.events.words import clock, hours, once_in
from pipeline.video.lettering import lettering
from shards.opencv import cv2

Colour = tuple[int, int, int]
"""BGR."""

_INK: Colour = (246, 243, 240)
_MUTED: Colour = (160, 150, 142)
_GRID: Colour = (66, 56, 48)
_PAPER: Colour = (30, 23, 18)
_CALM: Colour = (226, 164, 92)
_WHITE: Colour = (255, 255, 255)
_ALARM: Colour = (72, 60, 240)
_WARM: Colour = (40, 190, 255)

HEAT = (-24.0, -10.0)
"""dB of the local error at which the heat begins, and at which it is strongest: differences of 6 % and 32 %
of the range of pixels."""
_MOST_HEAT = 0.8
"""The opacity of the strongest heat, as the share of the picture that it hides."""
_LIMIT = 0.7
"""How high the limit lies in the strip; above it is up to ten times as much."""
_APART = 0.35
"""The least distance between names of rarities, as a share of the strip's height below the limit."""
_HATCH = 8
"""Widths of a line from one line of hatching to the next."""
_FILL = 0.35
"""The opacity of the colour under the curve, as the share of the ground that it hides."""
_STRIP_LINES = 7
_GAP_SECONDS = 1.0
"""The most seconds between two moments over which a line is drawn."""
_LEAST_SIDE, _MOST_SIDE = 240, 1920


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What rarities are drawn on.

    Attributes:
        least_hours: the rarity of all that is usual.
        limit_hours: the rarity that opens an alarm, no less.
    """

    least_hours: float
    limit_hours: float

    def height(self, hours: float) -> float:
        """How high a rarity lies, in [0, 1]; 0 for what is usual or not known."""
        below = _LIMIT * height_of(hours, self.least_hours, self.limit_hours)
        return below + (1 - _LIMIT) * height_of(hours, self.limit_hours, 10 * self.limit_hours)

    def marks(self) -> dict[float, str]:
        """Rarities, in hours, that are named: the limit, and a round one that lies well below it."""
        least, limit = self.least_hours, self.limit_hours
        others = round_marks(least, limit, [least, limit], _APART)
        return {**{mark: hours(mark) for mark in others[-1:]}, limit: f"alarm {hours(limit)}"}


@dataclass(frozen=True, kw_only=True)
class Strip:
    """What the strip under the picture shows.

    Attributes:
        seconds: (n,) float, when each was scored, in ascending order; the last one is shown.
        rarity_hours: (n,) float, how rare each was; NaN where it is not known.
        censored: (n,) bool, whether it was rarer than that.
        alarm: (n,) bool, whether an alarm was on.
        scale: of rarities; None without a calibration.
        span_seconds: that the strip is wide.
    """

    seconds: np.ndarray
    rarity_hours: np.ndarray
    censored: np.ndarray
    alarm: np.ndarray
    scale: Scale | None
    span_seconds: float

    @property
    def is_unusual(self) -> bool:
        """Whether the last moment is rare enough for an alarm that is on; without a calibration always."""
        if self.scale is None:
            return True
        return bool(self.alarm[-1] and self.scale.height(self.rarity_hours[-1]) >= _LIMIT)


def shown_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which a frame is shown: even, small ones larger so that text on them is legible,
    none wider or higher than 1,920."""
    scale = max(1.0, _LEAST_SIDE / min(height, width))
    scale = min(scale, _MOST_SIDE / max(height, width))
    return max(2, 2 * round(scale * height / 2)), max(2, 2 * round(scale * width / 2))


def composed(
    frame: np.ndarray,
    error_map: np.ndarray | None,
    box: Box | None,
    strip: Strip,
) -> np.ndarray:
    """The picture of a scored frame with the strip under it, uint8 (H' + strip, W', 3) BGR, both even.

    Args:
        frame: uint8 (H, W, 3) BGR.
        error_map: (h, w) float, dB, of any size and the frame's proportions; NaN where nothing is looked at.
        box: the most abnormal place, shown where it is rare enough for an alarm, or nothing is calibrated.
        strip: the last moments, this one included.
    """
    height, width = shown_size(*frame.shape[:2])
    picture = annotated(frame, error_map, box if strip.is_unusual else None)
    size = _text_size(height, width)
    if strip.alarm[-1]:
        cv2.rectangle(picture, (0, 0), (width - 1, height - 1), _ALARM, 2 * _line(height))
        _pill(picture, "ALARM", (size, size), size)
    moment = clock(float(strip.seconds[-1]))
    across, down = _extent(moment, size)
    _shade(picture, (width - across - 3 * size // 2, size - size // 4), (across + size, down + size // 2))
    _write(picture, moment, (width - across - size, size), size, _INK)
    return np.concatenate([picture, _drawn_strip(strip, width, size)])


def annotated(
    frame: np.ndarray,
    error_map: np.ndarray | None,
    box: Box | None,
) -> np.ndarray:
    """A frame with heat and box alone, uint8 (H', W', 3) BGR; arguments as in `composed`."""
    height, width = shown_size(*frame.shape[:2])
    shrinks = frame.shape[0] > height or frame.shape[1] > width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    is_size = frame.shape[:2] == (height, width)
    picture = frame.copy() if is_size else cv2.resize(frame, (width, height), interpolation=method)
    picture = np.ascontiguousarray(picture, np.uint8)
    if error_map is not None:
        _heat(picture, error_map)
    if box is not None:
        _brackets(picture, box)
    return picture


def _heat(picture: np.ndarray, error_map: np.ndarray) -> None:
    low, high = HEAT
    level = np.nan_to_num(((error_map - low) / (high - low)).clip(0, 1).astype(np.float32))
    if not level.any():
        return
    # Colours are mixed at the map's size; each pixel of the picture is touched once, in integers.
    colour = np.array(_WARM) * (1 - level[..., None]) + np.array(_ALARM) * level[..., None]
    cover = _MOST_HEAT * level * level * (3 - 2 * level)
    size = (picture.shape[1], picture.shape[0])
    cover = np.asarray(cv2.resize(cover, size, interpolation=cv2.INTER_CUBIC)).clip(0, _MOST_HEAT)
    over = cv2.resize(np.rint(colour).astype(np.uint8), size, interpolation=cv2.INTER_LINEAR)
    cv2.blendLinear(over, picture, cover, 1 - cover, picture)


def _brackets(picture: np.ndarray, box: Box) -> None:
    """The corners of a box, white on dark so that they show on any ground."""
    height, width = picture.shape[:2]
    line = _line(height)
    margin = 3 * line
    left, top, across, down = box
    x1, x2 = round(left * width) - margin, round((left + across) * width) + margin
    y1, y2 = round(top * height) - margin, round((top + down) * height) + margin
    x1, y1 = max(line, x1), max(line, y1)
    x2, y2 = min(width - 1 - line, max(x1, x2)), min(height - 1 - line, max(y1, y2))
    arm = max(4 * line, min(x2 - x1, y2 - y1) // 4)
    corners = [
        np.array([(x + sx * arm, y), (x, y), (x, y + sy * arm)])
        for x, sx in ((x1, 1), (x2, -1))
        for y, sy in ((y1, 1), (y2, -1))
    ]
    cv2.polylines(picture, corners, False, _PAPER, 3 * line, cv2.LINE_AA)
    cv2.polylines(picture, corners, False, _WHITE, line, cv2.LINE_AA)


def _drawn_strip(strip: Strip, width: int, size: int) -> np.ndarray:
    """The strip, uint8 (seven lines of text, W', 3)."""
    canvas = np.empty((_STRIP_LINES * size // 2 * 2, width, 3), np.uint8)
    canvas[:] = _PAPER
    now = float(strip.rarity_hours[-1])
    says, colour = "", _ALARM if strip.alarm[-1] else _INK
    if strip.scale is None:
        says, colour = "not calibrated", _MUTED
    elif now <= strip.scale.least_hours:
        says = "usual"
    elif not math.isnan(now):
        says = once_in(now, censored=bool(strip.censored[-1]))
    title = f"rarity, last {strip.span_seconds:.0f} s"
    across = _extent(says, size)[0]
    if across + _extent(title, size)[0] + 3 * size < width:
        _write(canvas, title, (size // 2, size // 3), size, _MUTED)
    _write(canvas, says, (width - across - size // 2, size // 3), size, colour)
    if strip.scale is not None:
        _fill_plot(canvas, strip, strip.scale, size)
    return canvas


def _fill_plot(canvas: np.ndarray, strip: Strip, scale: Scale, size: int) -> None:
    """The plot under the strip's title, with what its lines mean at the left."""
    top, bottom = 2 * size - size // 4, canvas.shape[0] - size // 2
    marks = scale.marks()
    gutter = size + max(_extent(text, size)[0] for text in marks.values())
    area = (slice(top, bottom), slice(gutter, canvas.shape[1] - size // 2))
    if canvas[area].shape[1] < 2 * size:
        return  # so narrow a picture has room for the words alone
    canvas[area] = _plot(canvas[area].copy(), strip, scale, max(1, size // 11))
    for mark, text in marks.items():
        across, down = _extent(text, size)
        y = top + _row(mark, scale, bottom - top) - down // 2
        colour = _INK if mark == scale.limit_hours else _MUTED
        _write(canvas, text, (gutter - across - size // 3, y), size, colour)


def _plot(area: np.ndarray, strip: Strip, scale: Scale, line: int) -> np.ndarray:
    """The curve of rarities over all of an area (h, w, 3), on its ground."""
    height, width = area.shape[:2]
    for mark in scale.marks():
        is_limit = mark == scale.limit_hours
        y, dash = _row(mark, scale, height), 4 * line if is_limit else 1
        for x in range(0, width, 2 * dash):
            area[y : y + line, x : x + dash] = _MUTED if is_limit else _GRID
    right = width - 1 - 2 * line
    columns = right - (strip.seconds[-1] - strip.seconds) / strip.span_seconds * right
    rows = np.array([_row(rarity, scale, height) for rarity in strip.rarity_hours])
    for start, end in _runs(strip):
        run = slice(start, end)
        is_alarm = bool(strip.alarm[start])
        colour = _ALARM if is_alarm else _CALM
        points = np.rint(np.stack([columns[run], rows[run]], axis=1)).astype(np.int32)
        points[:, 0] = points[:, 0].clip(0, right)
        feet = np.array([(points[-1, 0], height - 1), (points[0, 0], height - 1)], np.int32)
        filled = cv2.fillPoly(area.copy(), [np.concatenate([points, feet])], colour)
        area = cv2.addWeighted(area, 1 - _FILL, filled, _FILL, 0)
        if strip.censored[start]:
            _mark_censored(area, points, colour, line)
        if is_alarm:
            _mark_alarm(area, int(points[0, 0]), int(points[-1, 0]), line)
        cv2.polylines(area, [points], False, colour, line, cv2.LINE_AA)
    if not math.isnan(strip.rarity_hours[-1]):
        cv2.circle(area, (right, int(rows[-1])), 2 * line, _INK, cv2.FILLED, cv2.LINE_AA)
    return area


def _mark_alarm(area: np.ndarray, start: int, end: int, line: int) -> None:
    """A bar above the time for which an alarm was on."""
    area[: 2 * line, start : max(end, start + line)] = _ALARM


def _mark_censored(area: np.ndarray, points: np.ndarray, colour: Colour, line: int) -> None:
    """Hatching above a curve that may be anywhere higher."""
    ends = np.array([(points[-1, 0], 0), (points[0, 0], 0)], np.int32)
    inside = np.zeros(area.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.concatenate([points, ends])], 1)
    rows, columns = np.indices(inside.shape)
    area[(inside == 1) & ((rows + columns) % (_HATCH * line) < line)] = colour


def _runs(strip: Strip) -> list[tuple[int, int]]:
    """Stretches [start, end) to draw in one: known, without a gap, of one kind.

    Where the kind changes, both have the moment, so that the curve goes on.
    """
    kind = 2 * strip.alarm + strip.censored
    known = ~np.isnan(strip.rarity_hours)
    near = np.diff(strip.seconds) <= _GAP_SECONDS
    runs: list[tuple[int, int]] = []
    start = 0
    for index in range(1, len(known) + 1):
        is_end = index == len(known) or not near[index - 1] or not (known[index] and known[index - 1])
        if is_end or kind[index] != kind[index - 1]:
            if known[start]:
                runs.append((start, index if is_end else index + 1))
            start = index
    return runs


def _row(rarity: float, scale: Scale, height: int) -> int:
    """Row of a rarity in a plot of a height."""
    return round((1 - scale.height(rarity)) * (height - 2))


def _pill(picture: np.ndarray, text: str, at: tuple[int, int], size: int) -> None:
    """White text on a red ground."""
    across, down = _extent(text, size)
    pad = size // 3
    part = picture[at[1] - pad : at[1] + down + pad, at[0] - pad : at[0] + across + pad]
    part[:] = _ALARM
    _write(picture, text, at, size, _WHITE)


def _shade(picture: np.ndarray, at: tuple[int, int], extent: tuple[int, int]) -> None:
    """Darken a part of a picture, for text on it."""
    part = picture[max(0, at[1]) : at[1] + extent[1], max(0, at[0]) : at[0] + extent[0]]
    part[:] = part // 3


def _write(picture: np.ndarray, text: str, at: tuple[int, int], size: int, colour: Colour) -> None:
    """Put a line of text with its upper left corner at (x, y); what lies outside the picture is cut off."""
    cover = lettering(text, size)
    x, y = at
    cover = cover[max(0, -y) : max(0, picture.shape[0] - y), max(0, -x) : max(0, picture.shape[1] - x)]
    part = picture[max(0, y) :, max(0, x) :][: cover.shape[0], : cover.shape[1]]
    share = cover[..., None].astype(np.float32) / 255
    part[:] = np.rint(part * (1 - share) + np.array(colour, np.float32) * share)


def _extent(text: str, size: int) -> tuple[int, int]:
    """Width and height of a line of text, pixels."""
    height, width = lettering(text, size).shape
    return width, height


def _text_size(height: int, width: int) -> int:
    """Of the typeface, pixels, for a picture of a size."""
    return min(max(12, round(height / 26)), 36, max(8, width // 16))


def _line(height: int) -> int:
    """Width of a line, pixels, in a picture of a height."""
    return max(1, round(height / 300))
