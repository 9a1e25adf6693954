"""Exhibits on the page: pictures of frames, and how the memory was used."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.errors import ReportError
from pipeline.scoring.exhibits import Exhibits
from pipeline.scoring.videoscores import VideoScores


def shown_pictures(exhibits: Exhibits | None) -> list[tuple[str, list[tuple[int, str]]]]:
    """Pairs rather than an object: a foreign name must not meet those that every object has."""
    found: dict[str, list[tuple[int, str]]] = {}
    if exhibits is not None:
        for video, frame, jpeg in zip(exhibits.video, exhibits.frame, exhibits.pictures, strict=True):
            found.setdefault(str(video), []).append((int(frame), base64.b64encode(jpeg).decode()))
    return list(found.items())


def shown_memory(exhibits: Exhibits | None, kinds: Sequence[int]) -> dict[str, Any] | None:
    """How often each item was the nearest, where, and items and queries on their two widest axes.

    `kinds` of the exhibited frames are shown beside their queries. None where no frame was exhibited.
    """
    if exhibits is None or not len(exhibits.queries):
        return None
    points = np.concatenate([exhibits.items, exhibits.queries]).astype(np.float64)
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    low, high = flat.min(axis=0), flat.max(axis=0)
    flat = ((flat - low) / np.where(high > low, high - low, 1)).round(4)
    items, queries = flat[: len(exhibits.items)], flat[len(exhibits.items) :]
    return {
        "nearest": exhibits.nearest.sum(axis=(0, 1)).tolist(),
        "places": exhibits.nearest.argmax(axis=2).tolist(),
        "placed": float(exhibits.nearest.max(axis=2).sum() / exhibits.nearest.sum()),
        "items": items.tolist(),
        "queries": [[*point, kind] for point, kind in zip(queries.tolist(), kinds, strict=True)],
    }


class PicturedLabels:
    """Finds the labels of exhibited frames in the scores of videos, one after the other."""

    def __init__(self, exhibits: Exhibits | None) -> None:
        self._frames: list[tuple[str, int]] = []
        if exhibits is not None:
            self._frames = list(zip(exhibits.video.tolist(), exhibits.frame.tolist(), strict=True))
        self._rows: dict[str, list[int]] = {}
        for row, (video, _) in enumerate(self._frames):
            self._rows.setdefault(video, []).append(row)
        self._found: dict[int, int] = {}

    def add(self, video: VideoScores) -> None:
        """Take the next video."""
        for row in self._rows.get(video.name, ()):
            at = self._frames[row][1] - int(video.frames[0])
            if 0 <= at < len(video.frames):
                self._found[row] = 0 if video.labels is None else int(video.labels[at])

    def kinds(self, where: str) -> list[int]:
        """1 for each exhibited frame that is labelled abnormal, else 0; `where` is the evaluation.

        Raises:
            ReportError: there is a picture of a frame without a score.
        """
        for row, (name, frame) in enumerate(self._frames):
            if row not in self._found:
                raise ReportError(
                    f"{where}: found a picture of frame {frame} of video {name!r:.80}, which has no score; "
                    "run evaluate again"
                )
        return [self._found[row] for row in range(len(self._frames))]
