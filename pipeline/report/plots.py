"""Pictures of an evaluation as PNG: one to look at, and others as wide as a paper's column."""

import io
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pipeline.runs.evaluation import Metrics
from pipeline.scoring.curves import Curves
from pipeline.scoring.thinning import thin
from pipeline.scoring.videoscores import VideoScores, intervals

# matplotlib takes its style from a `matplotlibrc` in the current folder, which may be anyone's, and which may
# ask for LaTeX, a program that runs what it is given.
matplotlib.rcdefaults()

_INK, _MUTED, _GRID = "#1f2430", "#6b7280", "#e5e7eb"
_SCORE, _ABNORMAL = "#1d4ed8", "#fca5a5"
_SHADE = 0.55
_DASHES = (0, (4, 3))
_COLUMN_INCHES = 3.5
_DPI = 300
_COLUMN_PIXELS = int(_COLUMN_INCHES * _DPI)
_TEXT, _SMALL = 8, 7
_LONGEST_NAME = 26


def score_curves(videos: Sequence[VideoScores], title: str) -> bytes:
    """The anomaly score of each video over its frames, abnormal intervals shaded, as a PNG.

    Args:
        videos: one row of the picture each; at least one.
        title: over the picture.
    """
    figure = Figure(figsize=(9, 0.7 + 1.25 * len(videos)), layout="constrained", facecolor="white")
    axes = figure.subplots(len(videos), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axis, video in zip(axes, videos, strict=True):
        for start, end in intervals(video):
            axis.axvspan(start - 0.5, end - 0.5, color=_ABNORMAL, alpha=_SHADE, linewidth=0)
        axis.plot(video.frames, video.anomaly, color=_SCORE, linewidth=1.4)
        axis.set_title(video.name, loc="left", fontsize=9, color=_INK, pad=3)
        _tidy(axis, 8)
        _score_axis(axis)
    axes[0].set_xlim(0, max(video.frames[-1] for video in videos))
    axes[-1].set_xlabel("frame", fontsize=9, color=_MUTED)
    figure.supylabel("anomaly score", fontsize=9, color=_MUTED)
    figure.suptitle(title, fontsize=11, color=_INK)
    if any(video.labels is not None for video in videos):
        patch = _abnormal("labelled abnormal")
        figure.legend(
            handles=[patch], loc="outside lower right", fontsize=8, frameon=False, labelcolor=_MUTED
        )
    return _png(figure, dpi=130)


class Timeline:
    """Draws videos one after the other on one figure, a column wide: score, truth and threshold.

    Args:
        threshold: score at the equal error rate, or None.
    """

    def __init__(self, threshold: float | None) -> None:
        self._figure = Figure(figsize=(_COLUMN_INCHES, 1.45), facecolor="white")
        self._axis = self._figure.add_axes((0.125, 0.26, 0.855, 0.61))
        (self._line,) = self._axis.plot([], [], color=_SCORE, linewidth=0.9)
        handles: list[Line2D | Patch] = [_abnormal("abnormal")]
        if threshold is not None:
            label = f"threshold {threshold:.2f}"
            handles.append(
                self._axis.axhline(threshold, color=_INK, linewidth=0.7, linestyle=_DASHES, label=label)
            )
        self._figure.legend(
            handles=handles,
            loc="upper right",
            bbox_to_anchor=(0.99, 1.0),
            ncols=2,
            fontsize=_SMALL,
            frameon=False,
            borderaxespad=0.1,
            columnspacing=1,
            handlelength=1.6,
            labelcolor=_INK,
        )
        self._axis.set_xlabel("frame", fontsize=_TEXT, color=_INK, labelpad=2)
        self._axis.set_ylabel("anomaly score", fontsize=_TEXT, color=_INK, labelpad=2)
        _tidy(self._axis, _SMALL)
        _score_axis(self._axis)

    def draw(self, video: VideoScores) -> bytes:
        """The PNG of one video."""
        rows = thin(video.frames, video.anomaly, _COLUMN_PIXELS)
        self._line.set_data(video.frames[rows], video.anomaly[rows])
        self._axis.set_xlim(0, max(1, video.frames[-1]))
        name = video.name if len(video.name) <= _LONGEST_NAME else f"…{video.name[1 - _LONGEST_NAME :]}"
        name += " (no labels)" if video.labels is None else ""
        self._axis.set_title(name, loc="left", fontsize=_SMALL, color=_INK, pad=3)
        spans = [(start - 0.5, end - start) for start, end in intervals(video)]
        shading = self._axis.broken_barh(spans, (-0.03, 1.06), color=_ABNORMAL, alpha=_SHADE, linewidth=0)
        png = _png(self._figure)
        shading.remove()
        return png


def roc(curves: Curves, figures: Metrics) -> bytes:
    """The ROC curve a column wide, as a PNG, with its area and the equal error rate."""
    figure, axis = _square("false alarm rate (share of normal frames)", "hit rate (share of abnormal frames)")
    _curve(axis, curves.false_alarms, curves.hits, f"AUC {_percent(figures.auc)}")
    if (rate := figures.equal_error_rate) is not None:
        label = f"equal error rate {_percent(rate)}"
        axis.plot([rate], [1 - rate], "o", color=_SCORE, markersize=4, label=label)
    axis.plot([0, 1], [0, 1], color=_MUTED, linewidth=0.7, linestyle=_DASHES, label="chance")
    return _with_legend(figure)


def precision_recall(curves: Curves, figures: Metrics, base_rate: float) -> bytes:
    """Precision against recall a column wide, as a PNG, with the average precision and the base rate."""
    figure, axis = _square("recall (share of abnormal frames flagged)", "precision (share of flags right)")
    _curve(axis, curves.recall, curves.precision, f"average precision {_percent(figures.average_precision)}")
    label = f"base rate {_percent(base_rate)}"
    axis.axhline(base_rate, color=_MUTED, linewidth=0.7, linestyle=_DASHES, label=label)
    return _with_legend(figure)


def _curve(axis: Axes, x: np.ndarray, y: np.ndarray, figure: str) -> None:
    """The anomaly score's curve, thinned to the pixels it has, with its figure in the legend."""
    rows = thin(x, y, _COLUMN_PIXELS)
    axis.plot(x[rows], y[rows], color=_SCORE, linewidth=1.2, label=f"anomaly score: {figure}")


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"


def _abnormal(label: str) -> Patch:
    return Patch(color=_ABNORMAL, alpha=_SHADE, linewidth=0, label=label)


def _square(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    """An empty plot of two rates."""
    figure = Figure(figsize=(_COLUMN_INCHES, 3.8), layout="constrained", facecolor="white")
    axis = figure.subplots()
    axis.set_xlabel(x_label, fontsize=_TEXT, color=_INK)
    axis.set_ylabel(y_label, fontsize=_TEXT, color=_INK)
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    _tidy(axis, _SMALL)
    return figure, axis


def _with_legend(figure: Figure) -> bytes:
    """The PNG, with a legend above the axes, where it hides no curve."""
    figure.legend(
        loc="outside upper left", fontsize=_SMALL, labelcolor=_INK, frameon=False, borderaxespad=0.1
    )
    return _png(figure)


def _score_axis(axis: Axes) -> None:
    axis.set_ylim(-0.03, 1.03)
    axis.set_yticks([0, 0.5, 1])


def _tidy(axis: Axes, size: float) -> None:
    """A light grid behind the data, and no frame."""
    axis.grid(color=_GRID, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(colors=_MUTED, labelsize=size, length=0)
    for side in ("top", "right", "left", "bottom"):
        axis.spines[side].set_visible(False)


def _png(figure: Figure, dpi: int = _DPI) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()
