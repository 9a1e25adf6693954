"""Figures of merit from frame scores and labels. docs/metrics.md defines each with its formula.

Every function of scores takes higher for more abnormal, and labels that are true where abnormal. Figures over
all frames are from a tally: of all scores (`pipeline.scoring.ranking`), or of counts in bins
(`pipeline.scoring.histogram`), which take the same memory however many frames there are.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from mnad import normality
from mnad.evidence import causal_mean
from mnad.scoring import between, weighed
from pipeline.runs.evaluation import Metrics, Online
from pipeline.scoring.ranking import AllScores, Ranking, Tally
from pipeline.scoring.videoscores import VideoScores

MOST_PSNR = 90.0
"""dB; that of a frame without any error is infinite, and would stay in a mean for ever."""


def micro_auc(scores: np.ndarray, labels: np.ndarray) -> float | None:
    """Area under the ROC curve over all frames; None without both normal and abnormal ones."""
    ranking = Ranking.of(scores, labels)
    return None if ranking is None else ranking.auc


class Extent:
    """The lowest and the highest finite of some values; infinite ones the other way round without any."""

    def __init__(self) -> None:
        self.low, self.high = np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        """Take values (F,)."""
        finite = values[np.isfinite(values)].astype(np.float64, copy=False)
        self.low = min(self.low, float(finite.min(initial=np.inf)))
        self.high = max(self.high, float(finite.max(initial=-np.inf)))


class Extents:
    """What must be known of all labelled videos before the first score of one can be ranked.

    Attributes:
        psnr, bounded_psnr, distance, local_error: their extents; a bounded PSNR is at most 90 dB.
        have_local_errors, have_seconds: whether all videos do.
    """

    def __init__(self, videos: Iterable[VideoScores] = ()) -> None:
        self.psnr, self.bounded_psnr, self.distance, self.local_error = (Extent() for _ in range(4))
        self.have_local_errors = self.have_seconds = True
        for video in videos:
            self.add(video)

    def add(self, video: VideoScores) -> None:
        """Take the next video."""
        if video.labels is None:
            return
        self.psnr.add(video.scores.psnr)
        self.bounded_psnr.add(np.minimum(video.scores.psnr, MOST_PSNR))
        self.distance.add(video.scores.feature_distance)
        self.have_seconds &= video.seconds is not None
        self.have_local_errors &= video.local_error is not None
        if video.local_error is not None:
            self.local_error.add(video.local_error)


class MetricsTally:
    """Figures for the score that weighs PSNR with `alpha` and feature distance with `1 - alpha`.

    So alpha = 1 is the PSNR alone and alpha = 0 the feature distance alone.

    Args:
        alpha: weight of the PSNR.
        smoothing: sigma in frames of a Gaussian over each video's score; 0 for none.
        extents: of all videos that are going to be added.
        kind: of tally that figures over all frames are from.
    """

    def __init__(self, alpha: float, smoothing: float, extents: Extents, kind: type[Tally]) -> None:
        self._alpha = alpha
        self._smoothing = smoothing
        self._extents = extents
        psnr, distance = extents.psnr, extents.distance
        self._best = max(0.0, psnr.high)
        self._own, self._global = kind(0.0, 1.0), kind(0.0, 1.0)
        self._raw = kind(
            (1 - alpha) * distance.low - alpha * self._best,
            (1 - alpha) * distance.high - alpha * min(psnr.low, self._best),
        )
        self._single: list[tuple[str, float]] = []

    def add(self, videos: Sequence[VideoScores]) -> None:
        """Take videos, all with labels; at least one."""
        labels = [video.labels for video in videos if video.labels is not None]
        truth = np.concatenate(labels)
        psnr = np.concatenate([video.scores.psnr for video in videos])
        distance = np.concatenate([video.scores.feature_distance for video in videos])
        ends = np.cumsum([len(values) for values in labels])[:-1]
        alpha, sizes = self._alpha, self._extents

        def smoothed(scores: np.ndarray) -> np.ndarray:
            return np.concatenate([smooth(part, self._smoothing) for part in np.split(scores, ends)])

        own = smoothed(1 - normality(psnr, distance, alpha, ends))
        self._own.add(own, truth)
        for video, part, each in zip(videos, np.split(own, ends), labels, strict=True):
            if (auc := micro_auc(part, each)) is not None:
                self._single.append((video.name, auc))
        placed = between(psnr, sizes.psnr.low, sizes.psnr.high)
        apart = between(distance, sizes.distance.low, sizes.distance.high)
        self._global.add(smoothed(1 - weighed(placed, apart, alpha)), truth)
        self._raw.add(smoothed((1 - alpha) * distance - alpha * np.minimum(psnr, self._best)), truth)

    def metrics(self, order: Sequence[str]) -> tuple[Metrics, Metrics]:
        """The figures, and how far each may be off, of videos in the order of names."""
        own, (whole, raw) = self._own.ranking(), (each.ranking() for each in (self._global, self._raw))
        places = {name: place for place, name in enumerate(order)}
        single = [auc for _, auc in sorted(self._single, key=lambda pair: places[pair[0]])]
        macro = float(np.mean(single)) if single else None
        found = Metrics(
            auc=None if own is None else own.auc,
            auc_global=None if whole is None else whole.auc,
            auc_raw=None if raw is None else raw.auc,
            auc_macro=macro,
            average_precision=None if own is None else own.average_precision,
            equal_error_rate=None if own is None else own.equal_error_rate,
        )
        margins = None if own is None else own.margins
        return found, Metrics(
            auc=None if margins is None else margins.auc,
            auc_global=None if whole is None else whole.margins.auc,
            auc_raw=None if raw is None else raw.margins.auc,
            auc_macro=None if macro is None else 0.0,
            average_precision=None if margins is None else margins.average_precision,
            equal_error_rate=None if margins is None else margins.equal_error_rate,
        )


class OnlineTally:
    """Figures of scores that use no statistic of the test video.

    Args:
        extents: of all videos that are going to be added.
        kind: of tally that they are from.
    """

    def __init__(self, extents: Extents, kind: type[Tally]) -> None:
        self._extents = extents
        psnr, error = extents.bounded_psnr, extents.local_error
        ranges = [(-psnr.high, -psnr.low), (error.low, error.high)]
        self._plain, self._smoothed = ([kind(*each) for each in ranges] for _ in range(2))

    def add(self, videos: Sequence[VideoScores]) -> None:
        """Take videos, all with labels; at least one."""
        if not self._extents.have_local_errors:
            return
        labels = np.concatenate([video.labels for video in videos if video.labels is not None])
        errors = [video.local_error for video in videos if video.local_error is not None]
        psnrs = [-np.minimum(video.scores.psnr, MOST_PSNR) for video in videos]
        scores = [np.column_stack(pair) for pair in zip(psnrs, errors, strict=True)]
        self._take(self._plain, scores, labels)
        if self._extents.have_seconds:
            seconds = [video.seconds for video in videos if video.seconds is not None]
            means = [causal_mean(*pair)[0] for pair in zip(seconds, scores, strict=True)]
            self._take(self._smoothed, means, labels)

    @staticmethod
    def _take(tallies: Sequence[Tally], scores: Sequence[np.ndarray], labels: np.ndarray) -> None:
        for tally, column in zip(tallies, np.concatenate(scores).T, strict=True):
            tally.add(column, labels)

    def online(self) -> tuple[Online, Online] | None:
        """The figures, and how far each may be off; None where a video has no local errors."""
        if not self._extents.have_local_errors:
            return None
        plain = [tally.ranking() for tally in self._plain]
        smoothed = [tally.ranking() if self._extents.have_seconds else None for tally in self._smoothed]
        names = ("psnr", "local_error", "psnr_smoothed", "local_error_smoothed")
        rankings = dict(zip(names, (*plain, *smoothed), strict=True))
        found = {name: None if each is None else each.auc for name, each in rankings.items()}
        within = {name: None if each is None else each.margins.auc for name, each in rankings.items()}
        return Online(**found), Online(**within)


def compute_metrics(videos: Sequence[VideoScores], alpha: float) -> Metrics:
    """Exact figures; see `MetricsTally`.

    Args:
        videos: all with labels; at least one.
        alpha: weight of the PSNR.
    """
    tally = MetricsTally(alpha, 0.0, Extents(videos), AllScores)
    tally.add(videos)
    return tally.metrics([video.name for video in videos])[0]


def smooth(scores: np.ndarray, sigma: float) -> np.ndarray:
    """Scores of one video under a Gaussian of `sigma` frames, cut at 4 sigma, the ends repeated."""
    if sigma == 0:
        return scores
    radius = int(np.ceil(4 * sigma))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.convolve(np.pad(scores, radius, mode="edge"), weights / weights.sum(), mode="valid")
