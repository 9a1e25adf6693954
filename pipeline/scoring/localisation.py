"""Whether anomalies are found where they are: pixel AUC, and the region and track criteria of
"Street Scene: A new dataset and evaluation protocol for video anomaly detection" (arXiv 1902.05872).

Dimension letters: F frames, H W height and width. Maps are uint8 levels, higher for more abnormal; masks are
bool, true where labelled abnormal.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.runs.evaluation import Localisation
from shards.opencv import cv2

OVERLAP = 0.1
"""Beta in the paper: the intersection over union from which a region counts as found."""
TRACK_SHARE = 0.1
"""Alpha in the paper: the share of its regions from which a track counts as found."""
LEVELS = 256
_THRESHOLDS = 48


@dataclass(frozen=True, kw_only=True)
class MaskedVideo:
    """Maps uint8 (F, H, W) and masks bool (F, H, W) of one video's scored frames."""

    maps: np.ndarray
    masks: np.ndarray


def fit_masks(masks: Iterable[np.ndarray], height: int, width: int) -> np.ndarray:
    """Masks bool (H', W') brought to (F, H, W), the size of maps: abnormal where half the area is."""
    return np.stack([_fit(mask, height, width) for mask in masks])


def _fit(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    area: np.ndarray = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    return area >= 0.5


def pixel_auc(videos: Sequence[MaskedVideo]) -> float | None:
    """P(abnormal pixel's level > normal pixel's) + half of P(equal), exactly, from counts per level."""
    abnormal = sum(np.bincount(video.maps[video.masks], minlength=LEVELS) for video in videos)
    normal = sum(np.bincount(video.maps[~video.masks], minlength=LEVELS) for video in videos)
    abnormal, normal = np.asarray(abnormal, np.float64), np.asarray(normal, np.float64)
    if not abnormal.sum() or not normal.sum():
        return None
    below = np.cumsum(normal) - normal
    return float((abnormal * (below + normal / 2)).sum() / (abnormal.sum() * normal.sum()))


def regions(mask: np.ndarray) -> list[np.ndarray]:
    """The connected regions (eight neighbours) of a mask (H, W), each bool (H, W)."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return [labels == label for label in range(1, count)]


def tracks(frames: Sequence[Sequence[np.ndarray]]) -> list[list[int]]:
    """The track of each region: regions of neighbouring frames that share a pixel are one track.

    Args:
        frames: the regions of each frame, in order.

    Returns:
        Track numbers, from 0 on, in the shape of `frames`.
    """
    parents: list[int] = []

    def root(number: int) -> int:
        while parents[number] != number:
            number = parents[number]
        return number

    numbers: list[list[int]] = []
    for index, found in enumerate(frames):
        numbers.append([])
        for region in found:
            number = len(parents)
            parents.append(number)
            numbers[index].append(number)
            if index:
                for before, other in zip(numbers[index - 1], frames[index - 1], strict=True):
                    if (region & other).any():
                        parents[root(before)] = root(number)
    order: dict[int, int] = {}
    return [[order.setdefault(root(number), len(order)) for number in row] for row in numbers]


def localisation(videos: Sequence[MaskedVideo]) -> Localisation:
    """All figures over some videos, at least one.

    In the paper detections are regions with a score, so that a lower threshold only adds to those that are
    found and to those that are false. Regions of a map cut at a lower threshold grow together, too, and both
    rates may fall again. Every threshold is therefore a point that a user can choose, also beyond those with
    more than one false region per frame; see `area` for what counts of them.
    """
    truth = [[regions(mask) for mask in video.masks] for video in videos]
    numbered = [tracks(frames) for frames in truth]
    region_count = sum(len(found) for frames in truth for found in frames)
    track_count = sum(1 + max((n for row in rows for n in row), default=-1) for rows in numbered)
    frame_count = sum(len(video.maps) for video in videos)
    curve = [(0.0, 0.0, 0.0)]
    for threshold in _thresholds(videos) if region_count else ():
        false = found = 0
        hits_of_track: list[tuple[int, int]] = []
        for video, rows in zip(videos, numbered, strict=True):
            size = 1 + max((n for row in rows for n in row), default=-1)
            hits, members = np.zeros(size, np.int64), np.zeros(size, np.int64)
            for levels, mask, track in zip(video.maps, video.masks, rows, strict=True):
                matched, wrong = match(levels >= threshold, mask)
                false += wrong
                found += int(matched.sum())
                np.add.at(members, track, 1)
                np.add.at(hits, track, matched)
            hits_of_track += zip(hits.tolist(), members.tolist(), strict=True)
        tracked = sum(hits >= TRACK_SHARE * members for hits, members in hits_of_track)
        curve.append((false / frame_count, found / region_count, tracked / track_count))
    return Localisation(
        pixel_auc=pixel_auc(videos),
        region_auc=area([(x, y) for x, y, _ in curve]) if region_count else None,
        track_auc=area([(x, y) for x, _, y in curve]) if region_count else None,
        regions=region_count,
        tracks=track_count,
    )


def match(detected: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, int]:
    """Which regions of a frame are found, and how many of those that are detected are false.

    Takes as long for a thousand regions as for one.

    Args:
        detected: (H, W) bool, a map cut at a threshold.
        real: (H, W) bool, the frame's mask, of R regions.

    Returns:
        (R,) bool, in the order of `regions`; and the number of detected regions that match none.
    """
    count, found, areas = _labelled(detected)
    total, truth, true_areas = _labelled(real)
    both = np.flatnonzero(detected & real)
    pairs, shared = np.unique(found[both] * total + truth[both], return_counts=True)
    one, other = pairs // total, pairs % total
    close = shared / (areas[one] + true_areas[other] - shared) >= OVERLAP
    matched = np.zeros(total - 1, bool)
    matched[other[close] - 1] = True
    return matched, count - 1 - len(np.unique(one[close]))


def _labelled(mask: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    """How many labels there are, the ground's 0 included; the label of each pixel (H * W); and areas."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    each: np.ndarray = labels.ravel().astype(np.int64)
    # Of cv2.connectedComponentsWithStats, the areas take three times as long.
    return count, each, np.bincount(each, minlength=count)


def area(points: Sequence[tuple[float, float]]) -> float:
    """Area under the best rate that is reached with at most x false regions per frame, x from 0 to 1."""
    inside = sorted(point for point in points if point[0] <= 1)
    x = np.array([point[0] for point in inside] + [1.0])
    best = np.maximum.accumulate([point[1] for point in inside])
    return float((np.diff(x) * best).sum())


def _thresholds(videos: Sequence[MaskedVideo]) -> Iterator[int]:
    """Levels to cut maps at, strictest first: quantiles of the frames' highest levels."""
    peaks = np.concatenate([video.maps.max(axis=(1, 2)) for video in videos])
    levels = np.unique(np.quantile(peaks, np.linspace(0, 1, _THRESHOLDS)).astype(int))
    yield from (int(level) for level in levels[::-1] if level > 0)
