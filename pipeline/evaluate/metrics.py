"""Figures of merit from frame scores and labels. docs/metrics.md defines each with its formula.

Every function of scores takes higher for more abnormal, and labels that are true where abnormal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from mnad import normality
from pipeline.evaluate.scores import VideoScores, both_classes


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures for one score. None where they are not defined: without both normal and abnormal frames.

    Attributes:
        auc: micro AUC, over all frames after min-max per video; the method's published figure.
        auc_global: the same after one min-max over all videos.
        auc_raw: the same without normalisation.
        auc_macro: mean of the videos' own AUC over videos that have both classes.
        average_precision: over all frames after min-max per video.
        equal_error_rate: where as many normal frames are flagged as abnormal ones are missed.
    """

    auc: float | None
    auc_global: float | None
    auc_raw: float | None
    auc_macro: float | None
    average_precision: float | None
    equal_error_rate: float | None


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
    """Area under the ROC curve over all frames."""
    return float(roc_auc_score(labels, scores)) if both_classes(labels) else None


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Mean precision over the recall steps; a random score gives the base rate."""
    return float(average_precision_score(labels, scores)) if both_classes(labels) else None


def equal_error_rate(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """The error rate where false alarms and misses are equally frequent, between ROC points linear."""
    if not both_classes(labels):
        return None
    false_alarms, hits, _ = roc_curve(labels, scores)
    return float(np.interp(0.0, false_alarms + hits - 1, false_alarms))


def compute_metrics(videos: Sequence[VideoScores], alpha: float, smoothing: float = 0.0) -> Metrics:
    """Figures for the score that weighs PSNR with `alpha` and feature distance with `1 - alpha`.

    So alpha = 1 is the PSNR alone and alpha = 0 the feature distance alone.

    Args:
        videos: all with labels; at least one.
        alpha: weight of the PSNR.
        smoothing: sigma in frames of a Gaussian over each video's score; 0 for none.
    """
    labels = [video.labels for video in videos if video.labels is not None]
    psnr = [video.scores.psnr for video in videos]
    distance = [video.scores.feature_distance for video in videos]
    own = [1 - normality(*pair, alpha) for pair in zip(psnr, distance, strict=True)]
    best = max((value[np.isfinite(value)].max(initial=0) for value in psnr), default=0)
    raw = [(1 - alpha) * d - alpha * np.minimum(p, best) for p, d in zip(psnr, distance, strict=True)]
    together = 1 - normality(np.concatenate(psnr), np.concatenate(distance), alpha)
    whole = np.split(together, np.cumsum([len(values) for values in psnr])[:-1])
    own, raw, whole = ([smooth(scores, smoothing) for scores in kind] for kind in (own, raw, whole))
    truth = np.concatenate(labels)
    scores = np.concatenate(own)
    single = [micro_auc(s, y) for s, y in zip(own, labels, strict=True)]
    defined = [value for value in single if value is not None]
    return Metrics(
        auc=micro_auc(scores, truth),
        auc_global=micro_auc(np.concatenate(whole), truth),
        auc_raw=micro_auc(np.concatenate(raw), truth),
        auc_macro=float(np.mean(defined)) if defined else None,
        average_precision=average_precision(scores, truth),
        equal_error_rate=equal_error_rate(scores, truth),
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
