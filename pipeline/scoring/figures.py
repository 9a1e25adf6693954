"""The figures of an evaluation that follow from the table of scores alone, so a reader can check them."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mnad import normality
from pipeline.runs.evaluation import Figures, FrameCounts, VideoFigures
from pipeline.scoring.metrics import compute_metrics, compute_online, micro_auc
from pipeline.scoring.videoscores import VideoScores

_CLOSE = 1e-9
"""Figures of the same scores by other versions of the libraries differ in the last digits of a double."""


def compute_figures(videos: Sequence[VideoScores], alpha: float, smoothing: float) -> Figures:
    """Those of an evaluation's record.

    Args:
        videos: all that have scores.
        alpha: weight of the PSNR in the anomaly score.
        smoothing: sigma in frames, or 0.
    """
    labelled = [video for video in videos if video.labels is not None]
    weights = {"anomaly_score": alpha, "psnr": 1.0, "feature_distance": 0.0}
    metrics = smoothed = None
    if labelled:
        metrics = {name: compute_metrics(labelled, weight) for name, weight in weights.items()}
        if smoothing:
            found = dataclasses.asdict(compute_metrics(labelled, alpha, smoothing))
            smoothed = {"sigma": smoothing, **found}
    frames = sum(len(video.frames) for video in labelled)
    abnormal = sum(int(video.labels.sum()) for video in labelled if video.labels is not None)
    return Figures(
        auc=metrics["anomaly_score"].auc if metrics else None,
        metrics=metrics,
        smoothed=smoothed,
        base_rate=abnormal / frames if frames else None,
        frames=FrameCounts(
            scored=sum(len(video.frames) for video in videos), labelled=frames, abnormal=abnormal
        ),
        videos=tuple(_of_video(video) for video in videos),
        online=compute_online(labelled) if labelled else None,
    )


def _of_video(video: VideoScores) -> VideoFigures:
    labels = video.labels
    return VideoFigures(
        name=video.name,
        scored=len(video.frames),
        abnormal=None if labels is None else int(labels.sum()),
        memory_updates=int(video.scores.memory_updated.sum()),
        auc=None if labels is None else micro_auc(video.anomaly, labels),
    )


def score_difference(videos: Sequence[VideoScores], alpha: float) -> str | None:
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
