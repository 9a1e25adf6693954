"""Figures of merit from frame scores and labels. docs/metrics.md defines each with its formula.

Every function of scores takes higher for more abnormal, and labels that are true where abnormal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from mnad import normality
from mnad.evidence import causal_mean
from pipeline.runs.evaluation import Metrics, Online
from pipeline.scoring.ranking import Ranking
from pipeline.scoring.videoscores import VideoScores, both_classes

_MOST_PSNR = 90.0
"""dB; that of a frame without any error is infinite, and would stay in a mean for ever."""


@dataclass(frozen=True, kw_only=True)
class Curves:
    """ROC and precision-recall curves of the anomaly score over all labelled frames.

    Attributes:
        false_alarms, hits: (R,) rates, from the strictest threshold to the most lenient.
        recall, precision: (P,) from recall 1 to 0.
        equal_error_threshold: the score nearest to equal rates of false alarms and misses.
    """

    false_alarms: np.ndarray
    hits: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    equal_error_threshold: float


def micro_auc(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Area under the ROC curve over all frames; None without both normal and abnormal ones."""
    ranking = Ranking.of(scores, labels)
    return None if ranking is None else ranking.auc


def compute_metrics(videos: Sequence[VideoScores], alpha: float, smoothing: float = 0.0) -> Metrics:
    """Figures for the score that weighs PSNR with `alpha` and feature distance with `1 - alpha`.

    So alpha = 1 is the PSNR alone and alpha = 0 the feature distance alone.

    Args:
        videos: all with labels; at least one.
        alpha: weight of the PSNR.
        smoothing: sigma in frames of a Gaussian over each video's score; 0 for none.
    """
    labels = [video.labels for video in videos if video.labels is not None]
    truth = np.concatenate(labels)
    psnr = np.concatenate([video.scores.psnr for video in videos])
    distance = np.concatenate([video.scores.feature_distance for video in videos])
    best = psnr.max(initial=0, where=np.isfinite(psnr))
    ends = np.cumsum([len(values) for values in labels])[:-1]

    def smoothed(scores: np.ndarray) -> np.ndarray:
        return np.concatenate([smooth(part, smoothing) for part in np.split(scores, ends)])

    own = smoothed(1 - normality(psnr, distance, alpha, ends))
    ranking = Ranking.of(own, truth)
    single = [micro_auc(*pair) for pair in zip(np.split(own, ends), labels, strict=True)]
    defined = [value for value in single if value is not None]
    return Metrics(
        auc=None if ranking is None else ranking.auc,
        auc_global=micro_auc(smoothed(1 - normality(psnr, distance, alpha)), truth),
        auc_raw=micro_auc(smoothed((1 - alpha) * distance - alpha * np.minimum(psnr, best)), truth),
        auc_macro=float(np.mean(defined)) if defined else None,
        average_precision=None if ranking is None else ranking.average_precision,
        equal_error_rate=None if ranking is None else ranking.equal_error_rate,
    )


def compute_online(videos: Sequence[VideoScores]) -> Online | None:
    """Figures of scores that use no statistic of the test video; None where a video has no local errors.

    Args:
        videos: all with labels; at least one.
    """
    labels = np.concatenate([video.labels for video in videos if video.labels is not None])
    errors = [video.local_error for video in videos if video.local_error is not None]
    seconds = [video.seconds for video in videos if video.seconds is not None]
    if len(errors) < len(videos):
        return None
    psnrs = [-np.minimum(video.scores.psnr, _MOST_PSNR) for video in videos]
    scores = [np.column_stack(pair) for pair in zip(psnrs, errors, strict=True)]

    def aucs(parts: Sequence[np.ndarray]) -> list[float | None]:
        return [micro_auc(column, labels) for column in np.concatenate(parts).T]

    psnr, local_error = aucs(scores)
    smoothed: list[float | None] = [None, None]
    if len(seconds) == len(videos):
        smoothed = aucs([causal_mean(*pair)[0] for pair in zip(seconds, scores, strict=True)])
    return Online(
        psnr=psnr, local_error=local_error, psnr_smoothed=smoothed[0], local_error_smoothed=smoothed[1]
    )


def compute_curves(videos: Sequence[VideoScores]) -> Curves | None:
    """Curves of the anomaly score, or None without both normal and abnormal frames."""
    labelled = [(video.anomaly, video.labels) for video in videos if video.labels is not None]
    if not labelled:
        return None
    scores = np.concatenate([anomaly for anomaly, _ in labelled])
    labels = np.concatenate([truth for _, truth in labelled])
    if not both_classes(labels):
        return None
    false_alarms, hits, thresholds = roc_curve(labels, scores)
    precision, recall, _ = precision_recall_curve(labels, scores)
    # The first threshold stands for "nothing is flagged" and is infinite.
    nearest = 1 + np.abs(false_alarms + hits - 1)[1:].argmin()
    return Curves(
        false_alarms=false_alarms,
        hits=hits,
        recall=recall,
        precision=precision,
        equal_error_threshold=float(thresholds[nearest]),
    )


def smooth(scores: np.ndarray, sigma: float) -> np.ndarray:
    """Scores of one video under a Gaussian of `sigma` frames, cut at 4 sigma, the ends repeated."""
    if sigma == 0:
        return scores
    radius = int(np.ceil(4 * sigma))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.convolve(np.pad(scores, radius, mode="edge"), weights / weights.sum(), mode="valid")
