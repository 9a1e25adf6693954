"""What a reader of an evaluation's figures must know."""

from collections.abc import Sequence

from pipeline.evaluate.job import Job
from pipeline.report.plotfiles import MOST_TIMELINES
from pipeline.scoring.videoscores import VideoScores


def notes(job: Job, videos: Sequence[VideoScores]) -> list[str]:
    """Sentences about an evaluation whose scores are given, all of them."""
    scored = {video.name for video in videos}
    window = job.checkpoint.spec.window
    found = []
    if job.config.split == "auto" and job.split == "training":
        found.append("no testing videos in the set: the training videos were evaluated")
    short = [video.name for video in job.videos if video.name not in scored]
    if short:
        found.append(f"{len(short)} videos shorter than {window} frames have no scores: {', '.join(short)}")
    if job.config.report and len(videos) > MOST_TIMELINES:
        found.append(
            f"plots/ has timelines of {MOST_TIMELINES} of {len(videos)} videos, those with both normal and "
            "abnormal frames first"
        )
    unlabelled = [video.name for video in videos if video.labels is None]
    if len(unlabelled) == len(videos):
        found.append("no labels: scores only, no AUC")
    elif unlabelled:
        found.append(
            f"{len(unlabelled)} videos without labels are not in the figures: {', '.join(unlabelled)}"
        )
    labels = [video.labels for video in videos if video.labels is not None]
    if labels and (all(part.all() for part in labels) or not any(part.any() for part in labels)):
        kind = "abnormal" if labels[0].all() else "normal"
        found.append(f"all labelled frames are {kind}: no AUC is defined")
    if labels:
        single = sum(bool(part.all() or not part.any()) for part in labels)
        if single:
            found.append(f"{single} videos with one class only are left out of the macro AUC")
        if window > 1:
            found.append(
                f"the first {window - 1} frames of each video have no score; their labels are unused"
            )
    return found
