"""ROC and precision-recall curves of a ranking of frames."""

from dataclasses import dataclass

import numpy as np

from pipeline.scoring.histogram import BinnedRanking
from pipeline.scoring.ranking import Ranked, Ranking


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


def compute_curves(ranking: Ranked | None) -> Curves | None:
    """Curves of a ranking of anomaly scores; None of none, which is without both kinds of frames."""
    if isinstance(ranking, Ranking):
        return _exact_curves(ranking)
    return _binned_curves(ranking) if isinstance(ranking, BinnedRanking) else None


def _exact_curves(ranking: Ranking) -> Curves:
    # Takes 0.9 s and 70 MB to import, which is for the process that draws, and not for all that score.
    from sklearn.metrics import precision_recall_curve, roc_curve

    scores = np.concatenate([ranking.normal, ranking.abnormal])
    labels = np.arange(len(scores)) >= len(ranking.normal)
    # All thresholds: the one of equal errors may lie on a straight piece, which would be left out.
    false_alarms, hits, thresholds = roc_curve(labels, scores, drop_intermediate=False)
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


def _binned_curves(ranking: BinnedRanking) -> Curves:
    """Their points at the edges of bins, which are exact."""
    false_alarms, hits = ranking.false_alarms, ranking.hits
    alarm_rate, hit_rate = false_alarms / false_alarms[0], hits / hits[0]
    return Curves(
        false_alarms=np.append(0.0, alarm_rate[::-1]),
        hits=np.append(0.0, hit_rate[::-1]),
        recall=np.append(hit_rate, 0.0),
        precision=np.append(hits / (hits + false_alarms), 1.0),
        equal_error_threshold=float(ranking.least[np.abs(alarm_rate + hit_rate - 1).argmin()]),
    )
