"""The figures of an evaluation that follow from the table of scores alone, so a reader can check them."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mnad import normality
from pipeline.runs.evaluation import Bounds, Figures, FrameCounts, VideoFigures
from pipeline.scoring.histogram import BINS, Histogram
from pipeline.scoring.metrics import Extents, MetricsTally, OnlineTally, micro_auc
from pipeline.scoring.ranking import AllScores, Tally
from pipeline.scoring.videoscores import VideoScores, grouped

_CLOSE = 1e-9
"""Figures of the same scores by other versions of the libraries differ in the last digits of a double."""
_GROUP_ROWS = 1 << 16
"""The number of rows, in whole videos, that figures take at a time: 3,000 videos of 100 rows, one by one,
took three times as long."""


def compute_figures(
    videos: Iterable[VideoScores],
    alpha: float,
    smoothing: float,
    *,
    order: Sequence[str] | None = None,
    binned: bool = False,
) -> Figures:
    """Those of an evaluation's record.

    Args:
        videos: all that have scores; they are walked through twice.
        alpha: weight of the PSNR in the anomaly score.
        smoothing: sigma in frames, or 0.
        order: names of the videos; None if they come in order.
        binned: whether figures over all frames are from histograms, which hold no rows.
    """
    extents, found = Extents(), []
    for video in videos:
        extents.add(video)
        found.append(_of_video(video))
    if order is not None:
        places = {name: place for place, name in enumerate(order)}
        found.sort(key=lambda video: places[video.name])
    labelled = [video for video in found if video.abnormal is not None]
    frames = sum(video.scored for video in labelled)
    abnormal = sum(video.abnormal or 0 for video in labelled)
    whole = _over_all(videos, extents, alpha, smoothing, [video.name for video in labelled], binned=binned)
    return Figures(
        **whole,
        base_rate=abnormal / frames if frames else None,
        frames=FrameCounts(scored=sum(video.scored for video in found), labelled=frames, abnormal=abnormal),
        videos=tuple(found),
    )


def tally_kind(*, binned: bool) -> type[Tally]:
    """What scores of all frames are gathered in."""
    return Histogram if binned else AllScores


def _over_all(
    videos: Iterable[VideoScores],
    extents: Extents,
    alpha: float,
    smoothing: float,
    labelled: Sequence[str],
    *,
    binned: bool,
) -> dict[str, Any]:
    """The entries of `Figures` that are over all frames of videos with labels, whose names are given."""
    if not labelled:
        return dict.fromkeys(("auc", "metrics", "smoothed"))
    kind = tally_kind(binned=binned)
    weights = {"anomaly_score": alpha, "psnr": 1.0, "feature_distance": 0.0}
    tallies = {name: MetricsTally(weight, 0.0, extents, kind) for name, weight in weights.items()}
    smoothed = MetricsTally(alpha, smoothing, extents, kind) if smoothing else None
    online = OnlineTally(extents, kind)
    for group in grouped((video for video in videos if video.labels is not None), _GROUP_ROWS):
        for tally in tallies.values():
            tally.add(group)
        if smoothed:
            smoothed.add(group)
        online.add(group)
    metrics = {name: tally.metrics(labelled) for name, tally in tallies.items()}
    smooth_metrics = smoothed.metrics(labelled) if smoothed else None
    online_figures = online.online()
    return {
        "auc": metrics["anomaly_score"][0].auc,
        "metrics": {name: figures for name, (figures, _) in metrics.items()},
        "smoothed": smooth_metrics and {"sigma": smoothing, **dataclasses.asdict(smooth_metrics[0])},
        "online": online_figures and online_figures[0],
        "bounds": Bounds(
            bins=BINS,
            metrics={name: bounds for name, (_, bounds) in metrics.items()},
            smoothed=smooth_metrics and smooth_metrics[1],
            online=online_figures and online_figures[1],
        )
        if binned
        else None,
    }


def _of_video(video: VideoScores) -> VideoFigures:
    labels = video.labels
    return VideoFigures(
        name=video.name,
        scored=len(video.frames),
        abnormal=None if labels is None else int(labels.sum()),
        memory_updates=int(video.scores.memory_updated.sum()),
        auc=None if labels is None else micro_auc(video.anomaly, labels),
    )


def score_difference(videos: Iterable[VideoScores], alpha: float) -> str | None:
    """Where an anomaly score is not the one of its PSNR and feature distance; or None."""
    for video in videos:
        expected = 1 - normality(video.scores.psnr, video.scores.feature_distance, alpha)
        bad = np.flatnonzero(~(np.abs(video.anomaly - expected) <= _CLOSE))
        if len(bad):
            row = bad[0]
            return (
                f"anomaly_score of frame {video.frames[row]} of video {video.name!r}: found "
                f"{video.anomaly[row]}, expected {expected[row]}"
            )
    return None


def first_difference(found: Any, expected: Any, name: str = "") -> str | None:
    """Where values differ by more than rounding, as `metrics.psnr.auc: found 1, expected 2`; or None.

    Args:
        found, expected: two values.
        name: of both, for the text.
    """
    if isinstance(expected, dict) and isinstance(found, dict) and found.keys() == expected.keys():
        pairs = [(found[key], value, f"{name}.{key}".lstrip(".")) for key, value in expected.items()]
    elif isinstance(expected, tuple) and isinstance(found, tuple) and len(found) == len(expected):
        pairs = [(*pair, f"{name}[{i}]") for i, pair in enumerate(zip(found, expected, strict=True))]
    elif isinstance(expected, float) and type(found) in (int, float):
        pairs = []
        if not math.isclose(found, expected, rel_tol=_CLOSE, abs_tol=_CLOSE):
            return f"{name}: found {found!r}, expected {expected!r}"
    else:
        pairs = []
        if found != expected or type(found) is not type(expected):
            return f"{name}: found {_short(found)}, expected {_short(expected)}"
    return next((text for pair in pairs if (text := first_difference(*pair))), None)


def _short(value: Any) -> str:
    if isinstance(value, dict | tuple):
        return f"{len(value)} entries"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
