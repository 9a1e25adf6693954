"""Pictures of an evaluation as PNG."""

import io
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pipeline.evaluate.scores import VideoScores, intervals

_INK, _MUTED, _GRID = "#1f2430", "#6b7280", "#e5e7eb"
_SCORE, _ABNORMAL = "#1d4ed8", "#fca5a5"


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
            axis.axvspan(start - 0.5, end - 0.5, color=_ABNORMAL, alpha=0.55, linewidth=0)
        axis.plot(video.frames, video.anomaly, color=_SCORE, linewidth=1.4)
        axis.set_title(video.name, loc="left", fontsize=9, color=_INK, pad=3)
        axis.set_ylim(-0.03, 1.03)
        axis.set_yticks([0, 0.5, 1])
        axis.grid(color=_GRID, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(colors=_MUTED, labelsize=8, length=0)
        for side in ("top", "right", "left", "bottom"):
            axis.spines[side].set_visible(False)
    axes[0].set_xlim(0, max(video.frames[-1] for video in videos))
    axes[-1].set_xlabel("frame", fontsize=9, color=_MUTED)
    figure.supylabel("anomaly score", fontsize=9, color=_MUTED)
    figure.suptitle(title, fontsize=11, color=_INK)
    if any(video.labels is not None for video in videos):
        patch = Patch(color=_ABNORMAL, alpha=0.55, linewidth=0, label="labelled abnormal")
        figure.legend(
            handles=[patch], loc="outside lower right", fontsize=8, frameon=False, labelcolor=_MUTED
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130, metadata={"Software": None})
    return buffer.getvalue()
