"""Scores over time as a report's page holds them: every frame of an ordinary set, thinned for a huge one.

A run here is one evaluation's videos; several are shown in the same timelines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.scoring.thinning import thin
from pipeline.scoring.videoscores import VideoScores, interesting, intervals

MOST_VIDEOS = 1000
"""The most videos of all runs together on one page: browsers draw so many timelines within seconds."""
MOST_POINTS = 400_000
"""The most points of all timelines together on one page: some 25 bytes each, so 10 MB."""

Frame = tuple[str, int, float]
"""Video, frame number, anomaly score."""


def timelines(runs: Sequence[Sequence[VideoScores]], marked: Sequence[Frame]) -> list[dict[str, Any]]:
    """One timeline per video, as JSON values; of runs whose labels of a video differ, each with its own.

    Args:
        runs: to show.
        marked: frames that are never thinned out.
    """
    shown = _shown(runs)
    columns = _columns(shown)
    rows: dict[str, list[_Row]] = {}
    for run, videos in enumerate(shown):
        for video in videos:
            known = rows.setdefault(video.name, [])
            row = next((one for one in known if agree(one.labelled, video)), None)
            if row is None:
                row = _Row({"name": video.name, "abnormal": None, "series": []}, video)
                known.append(row)
            if row.values["abnormal"] is None and video.labels is not None:
                row.labelled, row.values["abnormal"] = video, _shaded(video, columns)
            frames = [frame for name, frame, _ in marked if name == video.name]
            matter = thin(video.frames, video.anomaly, columns)
            kept = np.union1d(matter, np.searchsorted(video.frames, frames).astype(matter.dtype))
            row.values["series"].append(_series(run, video, kept))
            if len(runs) == 1:
                row.values["detail"] = _detail(video, kept)
    return [{**row.values, "is_split": len(known) > 1} for known in rows.values() for row in known]


@dataclass
class _Row:
    """A timeline that grows: its JSON values, and the video whose labels it shows."""

    values: dict[str, Any]
    labelled: VideoScores


def agree(one: VideoScores, other: VideoScores) -> bool:
    """Whether no frame that both have a score of is labelled otherwise; what has no labels agrees."""
    if one.labels is None or other.labels is None:
        return True
    _, here, there = np.intersect1d(one.frames, other.frames, assume_unique=True, return_indices=True)
    return bool((one.labels[here] == other.labels[there]).all())


def limits(runs: Sequence[Sequence[VideoScores]], totals: Sequence[int]) -> list[str]:
    """What `timelines` leaves out of large sets, in sentences.

    Args:
        runs: to show.
        totals: how many videos there are of each.
    """
    shown = _shown(runs)
    columns = _columns(shown)
    sentences = []
    most, total = max((len(some), total) for some, total in zip(shown, totals, strict=True))
    if most < total:
        sentences.append(f"Shown are {most} of {total} videos, those with both kinds of frames first.")
    if any(len(video.frames) > 4 * columns for videos in shown for video in videos):
        sentences.append(
            f"Long curves are thinned to the ends and extremes of {columns} parts each: values are those of "
            "the nearest frame kept, and labelled intervals may be joined that are closer than a part."
        )
    return sentences


def _shown(runs: Sequence[Sequence[VideoScores]]) -> list[list[VideoScores]]:
    """The videos of each run that have a place on the page."""
    return [interesting(videos, max(1, MOST_VIDEOS // len(runs))) for videos in runs]


def _columns(shown: Sequence[Sequence[VideoScores]]) -> int:
    """How many columns each timeline is thinned to, if it has more points than fit in them."""
    return MOST_POINTS // 4 // max(1, sum(len(videos) for videos in shown))


def _shaded(video: VideoScores, columns: int) -> list[tuple[int, int]]:
    """Labelled intervals; if there are more than `columns`, those less than a column apart become one."""
    found = intervals(video)
    if len(found) <= columns:
        return found
    joined = found[:1]
    for start, end in found[1:]:
        if (start - joined[-1][1]) * columns < len(video.frames):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _series(run: int, video: VideoScores, kept: np.ndarray) -> dict[str, Any]:
    """A curve: scores in thousandths at the frames kept, each `steps` after the one before."""
    frames = video.frames[kept]
    return {
        "run": run,
        "first": int(frames[0]),
        "steps": np.diff(frames).tolist(),
        "scores": (1000 * video.anomaly[kept]).round().astype(int).tolist(),
    }


def _detail(video: VideoScores, kept: np.ndarray) -> dict[str, list[Any]]:
    psnr, distance = video.scores.psnr[kept].tolist(), video.scores.feature_distance[kept].tolist()
    return {
        "psnr": [round(value, 2) if np.isfinite(value) else None for value in psnr],
        "distance": [float(f"{value:.3g}") for value in distance],
        "updated": video.scores.memory_updated[kept].astype(int).tolist(),
    }
