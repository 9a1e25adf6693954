"""What a reader of an evaluation's figures must know."""

from pipeline.evaluate.job import Job
from pipeline.report.plotfiles import MOST_TIMELINES
from pipeline.runs.evaluation import RECORD, Bounds, Figures
from pipeline.runs.trainedon import Depth, common_depth, depth_of


def notes(job: Job, figures: Figures) -> list[str]:
    """Sentences about an evaluation with these figures."""
    videos = figures.videos
    scored = {video.name for video in videos}
    window = job.checkpoint.spec.window
    found = []
    if job.config.split == "auto" and job.split == "training":
        found.append("no testing videos in the set: the training videos were evaluated")
    if job.config.memory == "frozen" and job.config.threshold is not None:
        found.append(
            f"--threshold {job.config.threshold:g} has no effect: with --memory frozen no frame updates the "
            "memory"
        )
    found += _of_depth(job)
    short = [video.name for video in job.videos if video.name not in scored]
    if short:
        found.append(f"{len(short)} videos shorter than {window} frames have no scores: {', '.join(short)}")
    if job.config.report and len(videos) > MOST_TIMELINES:
        found.append(
            f"plots/ has timelines of {MOST_TIMELINES} of {len(videos)} videos, those with both normal and "
            "abnormal frames first"
        )
    if figures.bounds is not None:
        found.append(_of_bounds(figures, figures.bounds))
    labelled = [video for video in videos if video.abnormal is not None]
    unlabelled = [video.name for video in videos if video.abnormal is None]
    if not labelled:
        found.append("no labels: scores only, no AUC")
    elif unlabelled:
        found.append(
            f"{len(unlabelled)} videos without labels are not in the figures: {', '.join(unlabelled)}"
        )
    if labelled and figures.frames.abnormal in (0, figures.frames.labelled):
        kind = "abnormal" if figures.frames.abnormal else "normal"
        found.append(f"all labelled frames are {kind}: no AUC is defined")
    if labelled:
        single = sum(video.abnormal in (0, video.scored) for video in labelled)
        if single:
            found.append(f"{single} videos with one class only are left out of the macro AUC")
        if window > 1:
            found.append(
                f"the first {window - 1} frames of each video have no score; their labels are unused"
            )
    return found


def _of_depth(job: Job) -> list[str]:
    """A sentence where 16-bit images of the set lie otherwise than those that the model was trained on.

    No error: with `--depth-range auto` the range is that of each video.
    """
    deep = [source for source in job.videos.sources() if "depth" in source]
    trained, here = depth_of(job.checkpoint.origin), common_depth(deep)
    if not deep or trained == here or "several" in (trained, here):
        return []
    return [
        f"16-bit images are mapped otherwise than those that the model was trained on: {_mapped(here)} here, "
        f"{_mapped(trained)} there; unless both are from --depth-range auto, preprocess with that of the "
        "training set"
    ]


def _mapped(depth: Depth | None) -> str:
    return "their highest 8 bits" if depth is None else f"{depth[0]}:{depth[1]}"


def _of_bounds(figures: Figures, bounds: Bounds) -> str:
    own = bounds.of("anomaly_score")
    within = "" if own is None or own.auc is None else f"; the AUC is within {100 * own.auc:.1g} points"
    return (
        f"{figures.frames.scored} rows are too many to hold: figures over all frames are from histograms of "
        f"{bounds.bins} bins, and bounds in {RECORD} has the most that each may be off{within}"
    )
