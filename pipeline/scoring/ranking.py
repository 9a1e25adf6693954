"""Figures of how scores rank frames, from one sort: scikit-learn's took 2 ms a video, however short.

The curves themselves, which are drawn once, are scikit-learn's; tests hold these figures to it.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Margins:
    """How far figures may be from those of the scores themselves."""

    auc: float
    average_precision: float
    equal_error_rate: float


class Ranked(Protocol):
    """How scores rank frames."""

    @property
    def auc(self) -> float:
        """Area under the ROC curve."""

    @property
    def average_precision(self) -> float:
        """Mean over the abnormal frames of the precision where just they are flagged."""

    @property
    def equal_error_rate(self) -> float:
        """The error rate where false alarms and misses are equally frequent."""

    @property
    def margins(self) -> Margins:
        """How far these may be off."""


class Tally(Protocol):
    """Takes scores, and ranks what it has taken."""

    def __init__(self, low: float, high: float) -> None:
        """For scores that lie between these."""

    def add(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Take scores (F,) with labels (F,), True where abnormal."""

    def ranking(self) -> Ranked | None:
        """How they rank the frames; None without both kinds."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Scores, higher for more abnormal, of at least one normal and one abnormal frame.

    Attributes:
        normal, abnormal: (N,) and (P,) finite, ascending.
    """

    normal: np.ndarray
    abnormal: np.ndarray
    margins: ClassVar[Margins] = Margins(auc=0.0, average_precision=0.0, equal_error_rate=0.0)

    @classmethod
    def of(cls, scores: np.ndarray, labels: np.ndarray) -> "Ranking | None":
        """Rank scores (F,) by labels (F,), True where abnormal; None without both kinds."""
        normal, abnormal = np.sort(scores[~labels]), np.sort(scores[labels])
        return cls(normal=normal, abnormal=abnormal) if len(normal) and len(abnormal) else None

    @property
    def auc(self) -> float:
        """Area under the ROC curve: the share of pairs in the right order, equal ones half."""
        lower = np.searchsorted(self.normal, self.abnormal, "left").sum()
        not_higher = np.searchsorted(self.normal, self.abnormal, "right").sum()
        return float(lower + not_higher) / (2 * len(self.normal) * len(self.abnormal))

    @property
    def average_precision(self) -> float:
        """Mean over the abnormal frames of the precision where just they are flagged."""
        hits = len(self.abnormal) - np.searchsorted(self.abnormal, self.abnormal, "left")
        false_alarms = len(self.normal) - np.searchsorted(self.normal, self.abnormal, "left")
        return float((hits / (hits + false_alarms)).mean())

    @property
    def equal_error_rate(self) -> float:
        """The error rate where false alarms and misses are equally frequent, between ROC points linear."""
        scores = (self.normal, self.abnormal)
        strict = [bisect_left(part, True, key=lambda t: self._excess(t) <= 0) for part in scores]
        # The ROC points on both sides: the strictest with more false alarms than misses, and the next.
        lenient = max(part[at - 1] for part, at in zip(scores, strict, strict=True) if at)
        stricter = [part[at] for part, at in zip(scores, strict, strict=True) if at < len(part)]
        high = self._excess(lenient), self._false_alarms(lenient)
        low = (self._excess(t := min(stricter)), self._false_alarms(t)) if stricter else (-1.0, 0.0)
        return low[1] + low[0] / (low[0] - high[0]) * (high[1] - low[1])

    def _false_alarms(self, threshold: float) -> float:
        """The share of normal frames that a threshold flags."""
        return float(1 - np.searchsorted(self.normal, threshold, "left") / len(self.normal))

    def _excess(self, threshold: float) -> float:
        """By how much the rate of false alarms is above that of misses; it falls with the threshold."""
        misses = np.searchsorted(self.abnormal, threshold, "left") / len(self.abnormal)
        return self._false_alarms(threshold) - float(misses)


class AllScores:
    """Keeps all scores, whatever they lie between; a tally whose figures are exact."""

    def __init__(self, low: float, high: float) -> None:
        self._normal = [np.empty(0)]
        self._abnormal = [np.empty(0)]

    def add(self, scores: np.ndarray, labels: np.ndarray) -> None:
        """Take scores (F,) with labels (F,), True where abnormal."""
        self._normal.append(scores[~labels])
        self._abnormal.append(scores[labels])

    def ranking(self) -> Ranking | None:
        """How they rank the frames; None without both kinds."""
        normal, abnormal = (np.sort(np.concatenate(part)) for part in (self._normal, self._abnormal))
        return Ranking(normal=normal, abnormal=abnormal) if len(normal) and len(abnormal) else None
