"""Figures of how scores rank frames, from counts in bins instead of all scores, and how far off they can be.

Bins do not change the order of scores that lie in different ones, and equal scores share one. All that is not
known is how different scores rank that share a bin. docs/metrics.md derives the margins.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.scoring.ranking import Margins

BINS = 1 << 16
"""The number of bins of each score; they take 2 MB. If scores spread evenly, the AUC is then off by at most
1e-5. One more bin is for the highest score alone, which min-max gives to a frame of each video."""


class Histogram:
    """Counts scores of normal and of abnormal frames in bins of equal width, the last one for the highest.

    Args:
        low, high: the least and the highest finite score; those beyond fall into the first and the last bin.
    """

    def __init__(self, low: float, high: float) -> None:
        self._low, self._span = (low, high - low) if low < high else (0.0, np.inf)
        self._counts = np.zeros((2, BINS + 1), np.int64)
        self._least, self._most = np.full(BINS + 1, np.inf), np.full(BINS + 1, -np.inf)

    def add(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Count finite scores (F,) with labels (F,), True where abnormal."""
        places = ((scores - self._low) / self._span * BINS).astype(np.int64).clip(0, BINS)
        np.add.at(self._counts, (labels.astype(np.intp), places), 1)
        np.minimum.at(self._least, places, scores)
        np.maximum.at(self._most, places, scores)

    def ranking(self) -> "BinnedRanking | None":
        """How the scores rank the frames; None without both kinds."""
        if not self._counts.any(axis=1).all():
            return None
        used = self._counts.any(axis=0)
        normal, abnormal = self._counts[:, used].astype(np.float64)
        return BinnedRanking(normal=normal, abnormal=abnormal, least=self._least[used], most=self._most[used])


@dataclass(frozen=True, kw_only=True)
class BinnedRanking:
    """Counts in ascending bins, none of them empty, with at least one normal and one abnormal frame in all.

    Attributes:
        normal, abnormal: (K,) float64 counts.
        least, most: (K,) the least and the highest score in each bin.
    """

    normal: np.ndarray
    abnormal: np.ndarray
    least: np.ndarray
    most: np.ndarray

    @cached_property
    def false_alarms(self) -> np.ndarray:
        """(K,) normal frames in each bin and those above."""
        return self.normal[::-1].cumsum()[::-1]

    @cached_property
    def hits(self) -> np.ndarray:
        """(K,) abnormal frames in each bin and those above."""
        return self.abnormal[::-1].cumsum()[::-1]

    @property
    def auc(self) -> float:
        """Area under the ROC curve, pairs that share a bin half."""
        above = self.hits - self.abnormal / 2
        return float((self.normal * above).sum() / (self.false_alarms[0] * self.hits[0]))

    @property
    def average_precision(self) -> float:
        """Mean over the abnormal frames of the precision where their bin and those above are flagged."""
        return float((self.abnormal * self.hits / (self.hits + self.false_alarms)).sum() / self.hits[0])

    @property
    def equal_error_rate(self) -> float:
        """The error rate where false alarms and misses are equally frequent, between bins linear."""
        alarms, misses, at = self._around_equal()
        low, high = alarms[at + 1] - misses[at + 1], alarms[at] - misses[at]
        return float(alarms[at + 1] + low / (low - high) * (alarms[at] - alarms[at + 1]))

    @property
    def margins(self) -> Margins:
        """How far the figures may be from those of the scores themselves, beside rounding."""
        mixed = self.least < self.most
        shared = (self.normal * self.abnormal)[mixed].sum() / (self.false_alarms[0] * self.hits[0])
        return Margins(
            auc=float(shared / 2),
            average_precision=self._margin_of_precision(mixed),
            equal_error_rate=self._margin_of_equal(mixed),
        )

    def _margin_of_precision(self, mixed: np.ndarray) -> float:
        """Of the average precision: its extremes have a mixed bin's normal frames all first, or last."""
        normal, abnormal, hits, alarms = (
            part[mixed] for part in (self.normal, self.abnormal, self.hits, self.false_alarms)
        )
        above = hits - abnormal
        # The sum of (above + k) / (above + k + alarms) for k from 1 to the number in the bin is not less than
        # that number times its first term, nor than its integral from 0.
        first = abnormal * (above + 1) / (above + 1 + alarms)
        integral = abnormal - alarms * np.log((hits + alarms) / np.maximum(above + alarms, 1))
        least = np.where(above + alarms > 0, np.maximum(first, integral), first)
        most = abnormal * hits / np.maximum(hits + alarms - normal, 1)
        found = abnormal * hits / (hits + alarms)
        return max(float((found - least).sum()), float((most - found).sum()), 0.0) / float(self.hits[0])

    def _margin_of_equal(self, mixed: np.ndarray) -> float:
        """Of the equal error rate, which lies between the rates at the edges of its bin."""
        alarms, misses, at = self._around_equal()
        if not mixed[at]:
            return 0.0
        rate = self.equal_error_rate
        least, most = max(alarms[at + 1], misses[at]), min(alarms[at], misses[at + 1])
        return max(rate - float(least), float(most) - rate, 0.0)

    def _around_equal(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Rates (K + 1,) of false alarms and misses where bins begin, and the last with more alarms."""
        alarms = np.append(self.false_alarms / self.false_alarms[0], 0.0)
        misses = np.append(1 - self.hits / self.hits[0], 1.0)
        return alarms, misses, int(np.flatnonzero(alarms > misses)[-1])  # at the lowest, all are flagged
