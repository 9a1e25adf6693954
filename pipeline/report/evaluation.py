"""A whole evaluation, as it lies on disk, whose files agree with one another."""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.errors import ReportError
from pipeline.report.exhibits import PicturedLabels
from pipeline.report.worst import WorstFrames
from pipeline.runs.evaluation import RECORD, EvaluationRecord, VideoFigures, load_record
from pipeline.runs.provenance import work_digest
from pipeline.scoring.curves import Curves, compute_curves
from pipeline.scoring.exhibits import Exhibits, read_exhibits
from pipeline.scoring.figures import compute_figures, first_difference, score_difference, tally_kind
from pipeline.scoring.table import MOST_ROWS, read_scores
from pipeline.scoring.videoscores import VideoScores
from shards.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What there is to show of an evaluation.

    Attributes:
        name: for people.
        record: its figures and how they came about.
        videos: scores, in order: all, or as many as `MOST_ROWS` rows, those with both kinds of frames first.
        curves: of all; None without both kinds of frames.
        worst: the worst frames of all.
        exhibits: pictures and use of the memory, if they were gathered.
        kinds: 1 for each exhibited frame that is labelled abnormal, else 0.
    """

    name: str
    record: EvaluationRecord
    videos: list[VideoScores]
    curves: Curves | None
    worst: WorstFrames
    exhibits: Exhibits | None
    kinds: list[int]


def load_evaluation(location: str) -> Evaluation:
    """Read an evaluation, and check that its figures are those of its scores.

    Raises:
        ReportError: there is none, an unfinished one, or one whose files contradict each other.
    """
    out = Storage(location)
    record = load_record(out)
    provenance = record.provenance.to_json()
    try:
        videos = read_scores(out, provenance, [video.name for video in record.videos])
    except FileNotFoundError:
        raise ReportError(f"{out}: scores are missing; run evaluate again") from None
    difference = _difference(record, videos)
    if difference is not None:
        raise ReportError(f"{out}/{RECORD}: contradicts its scores ({difference}); run evaluate again")
    exhibits = read_exhibits(out, record.provenance.processes, work_digest(provenance))
    return gathered(str(out).rstrip("/"), record, videos, exhibits)


def gathered(
    name: str,
    record: EvaluationRecord,
    videos: Iterable[VideoScores],
    exhibits: Exhibits | None,
    most_rows: int = MOST_ROWS,
) -> Evaluation:
    """What there is to show of scores that are walked through once.

    Args:
        name: for people.
        record: of the evaluation.
        videos: all that have scores.
        exhibits: if they were gathered.
        most_rows: of scores that are held, but those of one video at least.

    Raises:
        ReportError: there is a picture of a frame without a score.
    """
    places = {video: place for place, video in enumerate(_most_interesting(record.videos, most_rows))}
    tally, worst, held = tally_kind(binned=record.bounds is not None)(0.0, 1.0), WorstFrames(), []
    pictured = PicturedLabels(exhibits)
    for video in videos:
        if video.labels is not None:
            tally.add(video.anomaly, video.labels)
        worst.add(video)
        pictured.add(video)
        if video.name in places:
            held.append(video)
    return Evaluation(
        name=name,
        record=record,
        videos=sorted(held, key=lambda video: places[video.name]),
        curves=compute_curves(tally.ranking()),
        worst=worst,
        exhibits=exhibits,
        kinds=pictured.kinds(name),
    )


def _most_interesting(videos: Sequence[VideoFigures], most_rows: int) -> list[str]:
    """Names, in order, of as many videos as have so many rows, those with both kinds of frames first."""
    ranked = sorted(videos, key=lambda video: not 0 < (video.abnormal or 0) < video.scored)
    rows = itertools.accumulate(video.scored for video in ranked)
    count = max(1, sum(total <= most_rows for total in rows))
    chosen = {video.name for video in ranked[:count]}
    return [video.name for video in videos if video.name in chosen]


def _difference(record: EvaluationRecord, videos: Iterable[VideoScores]) -> str | None:
    """Where a record contradicts its scores, or these one another; or None."""
    alpha = record.provenance.alpha
    order = [video.name for video in record.videos]
    binned = record.bounds is not None
    figures = compute_figures(videos, alpha, record.smoothing, order=order, binned=binned)
    expected = dataclasses.asdict(figures)
    written = dataclasses.asdict(record)
    found = {name: written[name] for name in expected}
    return score_difference(videos, alpha) or first_difference(found, expected)
