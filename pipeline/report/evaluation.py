"""A whole evaluation, as it lies on disk, whose files agree with one another."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ReportError
from pipeline.runs.evaluation import RECORD, EvaluationRecord, load_record
from pipeline.runs.provenance import work_digest
from pipeline.scoring.exhibits import Exhibits, read_exhibits
from pipeline.scoring.figures import compute_figures, first_difference, score_difference
from pipeline.scoring.table import read_scores
from pipeline.scoring.videoscores import VideoScores
from shards.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What there is to show of an evaluation.

    Attributes:
        name: for people.
        record: its figures and how they came about.
        videos: scores, in order.
        exhibits: pictures and use of the memory, if they were gathered.
    """

    name: str
    record: EvaluationRecord
    videos: list[VideoScores]
    exhibits: Exhibits | None


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
    if exhibits is not None:
        _check_exhibits(exhibits, videos, str(out))
    return Evaluation(name=str(out).rstrip("/"), record=record, videos=videos, exhibits=exhibits)


def _difference(record: EvaluationRecord, videos: Sequence[VideoScores]) -> str | None:
    """Where a record contradicts its scores, or these one another; or None."""
    alpha = record.provenance.alpha
    expected = dataclasses.asdict(compute_figures(videos, alpha, record.smoothing))
    written = dataclasses.asdict(record)
    found = {name: written[name] for name in expected}
    return score_difference(videos, alpha) or first_difference(found, expected)


def _check_exhibits(exhibits: Exhibits, videos: Sequence[VideoScores], where: str) -> None:
    """Refuse pictures of frames without scores."""
    scored = {video.name: (video.frames[0], video.frames[-1]) for video in videos}
    for name, frame in zip(exhibits.video.tolist(), exhibits.frame.tolist(), strict=True):
        first, last = scored.get(name, (0, -1))
        if not first <= frame <= last:
            raise ReportError(
                f"{where}: found a picture of frame {frame} of video {name!r:.80}, which has no score; run "
                "evaluate again"
            )
