"""The pictures of an evaluation: `OUT/curves.png` for a glance, and those under `OUT/plots/` for papers.

There, `roc.png` and `precision-recall.png` where there are labels of both kinds, and `timeline-<video>.png`.
"""

import re
from collections.abc import Sequence

from pipeline.runs.evaluation import EvaluationRecord
from pipeline.scoring.metrics import compute_curves
from pipeline.scoring.videoscores import VideoScores, interesting
from pipeline.terminal.progress import progress
from shards.choices import Split
from shards.names import STEM, video_stem
from shards.storage import Storage

CURVES = "curves.png"
_CURVES_VIDEOS = 6
FOLDER = "plots"
_PLOT = re.compile(rf"roc\.png|precision-recall\.png|timeline-{STEM}\.png")
"""Files that only an evaluation writes, and may remove."""
MOST_TIMELINES = 200
"""Some 0.05 s each, so they never take more than about 10 s."""


def write_plots(out: Storage, split: Split, videos: Sequence[VideoScores], record: EvaluationRecord) -> None:
    """Draw all files.

    Args:
        out: the evaluation.
        split: that the videos are of.
        videos: all, in order; of more than MOST_TIMELINES the most interesting ones get a timeline.
        record: of the evaluation.
    """
    from pipeline.report import plots  # and with it matplotlib, which an evaluation can do without

    title = record.dataset + ("" if record.auc is None else f", AUC {100 * record.auc:.1f} %")
    out.write(CURVES, plots.score_curves(interesting(videos, _CURVES_VIDEOS), title))
    curves = compute_curves(videos)
    figures = record.of("anomaly_score")
    if curves is not None and figures is not None and record.base_rate is not None:
        out.write(f"{FOLDER}/roc.png", plots.roc(curves, figures))
        picture = plots.precision_recall(curves, figures, record.base_rate)
        out.write(f"{FOLDER}/precision-recall.png", picture)
    timeline = plots.Timeline(None if curves is None else curves.equal_error_threshold)
    drawn = interesting(videos, MOST_TIMELINES)
    with progress("draw", len(drawn), "timelines") as advance:
        for video in drawn:
            name = f"{FOLDER}/timeline-{video_stem(split, video.name)}.png"
            out.write(name, timeline.draw(video))
            advance()


def delete_plots(out: Storage) -> None:
    """Remove all files."""
    out.delete(CURVES)
    for name in out.names(FOLDER):
        if _PLOT.fullmatch(name):
            out.delete(f"{FOLDER}/{name}")
