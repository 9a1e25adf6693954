"""What the report's page shows, as JSON values: everything about one evaluation, or several compared.

However large the set, the page stays below 25 MB: pictures are bounded where they are gathered, curves and
timelines are thinned.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.report.evaluation import Evaluation
from pipeline.report.exhibits import shown_memory, shown_pictures
from pipeline.report.timelines import Frame, agree, limits, timelines
from pipeline.runs.evaluation import EvaluationRecord, Metrics, Online
from pipeline.scoring.thinning import thin
from pipeline.scoring.videoscores import VideoScores

_CURVE_COLUMNS = 500
"""The number of columns to which an ROC or precision-recall curve is thinned; it is drawn at most 384 pixels
wide."""
_SCORED_AS = "anomaly_score"
_NAMES = {_SCORED_AS: "anomaly score", "psnr": "PSNR alone", "feature_distance": "feature distance alone"}


def page_data(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """The values that the page's script draws from."""
    first = evaluations[0]
    single = len(evaluations) == 1
    names = _short_names([evaluation.name for evaluation in evaluations])
    exhibits = first.exhibits if single else None
    misses, alarms = (first.worst.misses, first.worst.alarms) if single else ([], [])
    record = first.record
    return {
        "title": f"{record.dataset}, {record.model.method}" if single else "Evaluations compared",
        "subtitle": _subtitle(first) if single else ", ".join(e.name for e in evaluations),
        "notes": record.notes if single else _differences(evaluations, names),
        "runs": [_run(e, name) for e, name in zip(evaluations, names, strict=True)],
        "videos": _videos(evaluations, misses + alarms),
        "limits": limits(
            [evaluation.videos for evaluation in evaluations],
            [len(evaluation.record.videos) for evaluation in evaluations],
        ),
        "pictures": shown_pictures(exhibits),
        "memory": shown_memory(exhibits, first.kinds),
        "misses": misses,
        "alarms": alarms,
    }


def _short_names(locations: Sequence[str]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    parts = [location.split("/") for location in locations]
    for depth in range(1, max(len(part) for part in parts) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{location} ({number})" for number, location in enumerate(locations, 1)]


def _differences(evaluations: Sequence[Evaluation], names: Sequence[str]) -> list[str]:
    """What keeps figures of several evaluations from being compared, in sentences.

    Args:
        evaluations: that stand side by side.
        names: of each, as the page has them.
    """
    of = {
        "sources of labels": [", ".join(e.record.label_source) or "none" for e in evaluations],
        "shard sets": [e.record.provenance.shards for e in evaluations],
        "splits": [e.record.provenance.split for e in evaluations],
    }
    if len(set(of["shard sets"])) == 1:
        of["versions of the shard set"] = [e.record.provenance.manifest_sha256[:12] for e in evaluations]
    found = [
        f"The {what} differ: "
        + "; ".join(f"{name}: {value}" for name, value in zip(names, each, strict=True))
        for what, each in of.items()
        if len(set(each)) > 1
    ]
    return [*found, *_unlike_labels(evaluations)]


def _unlike_labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """A sentence on videos of one name whose labels differ between evaluations."""
    known: dict[str, VideoScores] = {}
    unlike: dict[str, None] = {}
    for video in (video for evaluation in evaluations for video in evaluation.videos):
        if video.labels is not None and not agree(known.setdefault(video.name, video), video):
            unlike[video.name] = None
    if not unlike:
        return []
    videos = "1 video" if len(unlike) == 1 else f"{len(unlike)} videos"
    return [
        f"Labels of the same frames differ in {videos}, first in {next(iter(unlike))}: figures cannot be "
        "compared, and evaluations with other labels have timelines of their own there."
    ]


def _subtitle(evaluation: Evaluation) -> str:
    record, work = evaluation.record, evaluation.record.provenance
    labels = ", ".join(record.label_source) or "none"
    return (
        f"{record.frames.scored} frames of {len(record.videos)} {work.split} videos; memory "
        f"{work.memory}, alpha {work.alpha}, threshold {work.threshold}, feature distance to "
        f"{work.distance}; labels: {labels}"
    )


def _run(evaluation: Evaluation, name: str) -> dict[str, Any]:
    record = evaluation.record
    written = dataclasses.asdict(record)
    curves = evaluation.curves
    return {
        "name": name,
        "made": "prediction" if record.model.method == "pred" else "reconstruction",
        "figures": [(_NAMES[score], figures) for score, figures in (written["metrics"] or {}).items()],
        "localisation": written["localisation"],
        "tiles": _tiles(record),
        "roc": None if curves is None else _curve(curves.false_alarms, curves.hits),
        "pr": None if curves is None else _curve(curves.recall, curves.precision),
        "threshold": None if curves is None else curves.equal_error_threshold,
        "provenance": {key: written[key] for key in ("provenance", "model", "config", "timing")},
    }


def _tiles(record: EvaluationRecord) -> list[tuple[str, str, str]]:
    """The headline figures: name, value, remark."""
    rows: list[tuple[str, float | None, str]] = []
    bounds = record.bounds
    if (own := record.of(_SCORED_AS)) is not None:
        within = None if bounds is None else bounds.of(_SCORED_AS)
        base_rate = f"base rate {_percent(record.base_rate)}"
        rows += [
            ("AUC", own.auc, "all frames, min-max per video" + _within(within, "auc")),
            ("macro AUC", own.auc_macro, "mean of videos"),
            (
                "average precision",
                own.average_precision,
                base_rate + _within(within, "average_precision"),
            ),
            (
                "equal error rate",
                own.equal_error_rate,
                "lower is better" + _within(within, "equal_error_rate"),
            ),
        ]
    if (online := record.online) is not None:
        off = None if bounds is None else bounds.online
        rows += [
            (
                "online AUC, local error",
                online.local_error,
                _online(online.local_error_smoothed) + _within(off, "local_error"),
            ),
            ("online AUC, PSNR", online.psnr, _online(online.psnr_smoothed) + _within(off, "psnr")),
        ]
    if (places := record.localisation) is not None:
        rows += [
            ("pixel AUC", places.pixel_auc, "all pixels of videos with masks"),
            ("RBDC", places.region_auc, f"of {places.regions} labelled regions"),
            ("TBDC", places.track_auc, f"of {places.tracks} labelled tracks"),
        ]
    speed = f"{record.timing.frames_per_second:.1f}"
    tiles = [(name, _percent(value), remark) for name, value, remark in rows]
    return [*tiles, ("frames per second", speed, record.timing.device)] if record.timing.frames else tiles


def _online(smoothed: float | None) -> str:
    """A remark with the smoothed figure."""
    mean = "" if smoothed is None else f"; {_percent(smoothed)} under a causal mean"
    return f"no statistic of the test video{mean}"


def _within(bounds: Metrics | Online | None, name: str) -> str:
    """A remark on what a figure may be off; of an exact one none."""
    bound = getattr(bounds, name, None)
    return f"; within {100 * bound:.1g} points" if bound else ""


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"


def _curve(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    rows = thin(x, y, _CURVE_COLUMNS)
    return list(zip(x[rows].round(4).tolist(), y[rows].round(4).tolist(), strict=True))


def _videos(evaluations: Sequence[Evaluation], worst: Sequence[Frame]) -> list[dict[str, Any]]:
    rows = timelines([evaluation.videos for evaluation in evaluations], worst)
    aucs = {video.name: video.auc for evaluation in evaluations for video in evaluation.record.videos}
    return [{**row, "auc": aucs[row["name"]]} for row in rows]
