"""The pictures of an evaluation: `OUT/curves.png` for a glance, and those under `OUT/plots/` for papers.

There, `roc.png` and `precision-recall.png` where there are labels of both kinds, and `timeline-<video>.png`.
"""

import re

from pipeline.report.evaluation import Evaluation
from pipeline.scoring.videoscores import interesting
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


def write_plots(out: Storage, split: Split, evaluation: Evaluation) -> None:
    """Draw all files.

    Args:
        out: where the evaluation lies.
        split: that its videos are of.
        evaluation: of more than MOST_TIMELINES videos the most interesting ones get a timeline.
    """
    from pipeline.report import plots  # and with it matplotlib, which an evaluation can do without

    record, videos, curves = evaluation.record, evaluation.videos, evaluation.curves
    title = record.dataset + ("" if record.auc is None else f", AUC {100 * record.auc:.1f} %")
    out.write(CURVES, plots.score_curves(interesting(videos, _CURVES_VIDEOS), title))
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
