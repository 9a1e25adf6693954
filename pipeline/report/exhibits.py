"""Exhibits on the page: pictures of frames, and how the memory was used."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.scoring.exhibits import Exhibits
from pipeline.scoring.videoscores import VideoScores


def shown_pictures(exhibits: Exhibits | None) -> list[tuple[str, list[tuple[int, str]]]]:
    """Pairs rather than an object: a foreign name must not meet those that every object has."""
    found: dict[str, list[tuple[int, str]]] = {}
    if exhibits is not None:
        for video, frame, jpeg in zip(exhibits.video, exhibits.frame, exhibits.pictures, strict=True):
            found.setdefault(str(video), []).append((int(frame), base64.b64encode(jpeg).decode()))
    return list(found.items())


def shown_memory(exhibits: Exhibits | None, videos: Sequence[VideoScores]) -> dict[str, Any] | None:
    """How often each item was the nearest, where, and items and queries on their two widest axes.

    None where no frame was exhibited.
    """
    if exhibits is None or not len(exhibits.queries):
        return None
    points = np.concatenate([exhibits.items, exhibits.queries]).astype(np.float64)
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    low, high = flat.min(axis=0), flat.max(axis=0)
    flat = ((flat - low) / np.where(high > low, high - low, 1)).round(4)
    kinds = _kinds(exhibits, videos)
    items, queries = flat[: len(exhibits.items)], flat[len(exhibits.items) :]
    return {
        "nearest": exhibits.nearest.sum(axis=(0, 1)).tolist(),
        "places": exhibits.nearest.argmax(axis=2).tolist(),
        "placed": float(exhibits.nearest.max(axis=2).sum() / exhibits.nearest.sum()),
        "items": items.tolist(),
        "queries": [[*point, kind] for point, kind in zip(queries.tolist(), kinds, strict=True)],
    }


def _kinds(exhibits: Exhibits, videos: Sequence[VideoScores]) -> list[int]:
    """1 for each exhibited frame that is labelled abnormal, else 0."""
    by_name = {video.name: video for video in videos}
    kinds = []
    for name, frame in zip(exhibits.video, exhibits.frame, strict=True):
        video = by_name[str(name)]
        kinds.append(0 if video.labels is None else int(video.labels[frame - video.frames[0]]))
    return kinds
