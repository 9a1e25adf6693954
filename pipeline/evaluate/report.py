"""The report: one HTML file that needs nothing else, of one evaluation or of several side by side.

However large the set, the page stays below 25 MB: pictures are bounded where they are gathered, curves and
timelines are thinned.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ReportError
from pipeline.evaluate.exhibits import Exhibits, read_exhibits
from pipeline.evaluate.figures import compute_figures, first_difference, score_difference
from pipeline.evaluate.metrics import compute_curves
from pipeline.evaluate.record import check_record
from pipeline.evaluate.scores import VideoScores, read_scores, work_digest
from pipeline.evaluate.thinning import thin
from pipeline.evaluate.timelines import Frame, limits, timelines
from shards.jsonfile import read_json
from shards.storage import Storage

METRICS = "metrics.json"
REPORT = "report.html"
_WORST = 10
_APART = 10
"""Frames between two of the worst frames of a video; neighbours show the same."""
_CURVE_COLUMNS = 500
"""Of an ROC or precision-recall curve; it is drawn at most 384 pixels wide."""
_SCORED_AS = "anomaly_score"
_NAMES = {_SCORED_AS: "anomaly score", "psnr": "PSNR alone", "feature_distance": "feature distance alone"}


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A whole evaluation, as it lies on disk.

    Attributes:
        name: for people.
        metrics: what metrics.json holds.
        videos: scores, in order.
        exhibits: pictures and use of the memory, if they were gathered.
    """

    name: str
    metrics: dict[str, Any]
    videos: list[VideoScores]
    exhibits: Exhibits | None


def load_evaluation(location: str) -> Evaluation:
    """Read an evaluation, and check that its figures are those of its scores.

    Raises:
        ReportError: there is none, an unfinished one, or one whose files contradict each other.
    """
    out = Storage(location)
    where = f"{out}/{METRICS}"
    try:
        metrics = read_json(out, METRICS)
        check_record(metrics)
    except FileNotFoundError:
        raise ReportError(
            f"{out}: no {METRICS} found; give a folder that evaluate wrote, or run evaluate again"
        ) from None
    except ValueError as error:
        reason = str(error).removeprefix(f"{where}: ")
        raise ReportError(f"{where}: not that of an evaluation ({reason}); run evaluate again") from error
    provenance = metrics["provenance"]
    order = [video["name"] for video in metrics["videos"]]
    try:
        videos = read_scores(out, provenance, order)
    except FileNotFoundError:
        raise ReportError(f"{out}: scores are missing; run evaluate again") from None
    expected = compute_figures(videos, provenance["alpha"], metrics["config"]["smoothing"])
    found = {name: metrics.get(name) for name in expected}
    difference = score_difference(videos, provenance["alpha"]) or first_difference(found, expected)
    if difference is not None:
        raise ReportError(f"{where}: contradicts its scores ({difference}); run evaluate again")
    exhibits = read_exhibits(out, provenance["processes"], work_digest(provenance))
    if exhibits is not None:
        _check_exhibits(exhibits, videos, str(out))
    return Evaluation(name=str(out).rstrip("/"), metrics=metrics, videos=videos, exhibits=exhibits)


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


def write_report(locations: Sequence[str], out: Path | None = None) -> str:
    """Write the page of one evaluation, or of several side by side; returns where.

    Args:
        locations: of the evaluations.
        out: the file; None for `report.html` in the one evaluation, or `comparison.html` here.
    """
    page = render([load_evaluation(location) for location in locations]).encode()
    if out is None and len(locations) == 1:
        storage, name = Storage(locations[0]), REPORT
    else:
        target = out or Path("comparison.html")
        storage, name = Storage(target.parent), target.name
    storage.write(name, page)
    return f"{storage}/{name}"


def render(evaluations: Sequence[Evaluation]) -> str:
    """The page: everything about one evaluation, or several compared."""
    template = resources.files("pipeline.evaluate").joinpath("report.html").read_text(encoding="utf-8")
    data = json.dumps(_page(evaluations), separators=(",", ":"), allow_nan=False)
    # A name that holds </script> must not end the element that carries the data.
    return template.replace("/*DATA*/", data.replace("<", "\\u003c"))


def _page(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    first = evaluations[0]
    single = len(evaluations) == 1
    names = _short_names([evaluation.name for evaluation in evaluations])
    exhibits = first.exhibits if single else None
    misses, alarms = _worst(first.videos) if single else ([], [])
    model = first.metrics["model"]
    return {
        "title": f"{first.metrics['dataset']}, {model['method']}" if single else "Evaluations compared",
        "subtitle": _subtitle(first) if single else ", ".join(e.name for e in evaluations),
        "notes": first.metrics["notes"] if single else [],
        "runs": [_run(e, name) for e, name in zip(evaluations, names, strict=True)],
        "videos": _videos(evaluations, misses + alarms),
        "limits": limits([evaluation.videos for evaluation in evaluations]),
        "pictures": _pictures(exhibits),
        "memory": _memory(exhibits, first.videos),
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


def _subtitle(evaluation: Evaluation) -> str:
    provenance = evaluation.metrics["provenance"]
    labels = ", ".join(evaluation.metrics["label_source"]) or "none"
    return (
        f"{evaluation.metrics['frames']['scored']} frames of {len(evaluation.videos)} {provenance['split']} "
        f"videos; memory {provenance['memory']}, alpha {provenance['alpha']}, threshold "
        f"{provenance['threshold']}, feature distance to {provenance.get('distance', 'items')}; "
        f"labels: {labels}"
    )


def _run(evaluation: Evaluation, name: str) -> dict[str, Any]:
    metrics = evaluation.metrics
    curves = compute_curves(evaluation.videos)
    return {
        "name": name,
        "made": "prediction" if metrics["model"]["method"] == "pred" else "reconstruction",
        "figures": [(_NAMES[score], figures) for score, figures in (metrics["metrics"] or {}).items()],
        "localisation": metrics["localisation"],
        "tiles": _tiles(metrics),
        "roc": None if curves is None else _curve(curves.false_alarms, curves.hits),
        "pr": None if curves is None else _curve(curves.recall, curves.precision),
        "threshold": None if curves is None else curves.equal_error_threshold,
        "provenance": {key: metrics[key] for key in ("provenance", "model", "config", "timing")},
    }


def _tiles(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The headline figures: name, value, remark."""
    rows: list[tuple[str, float | None, str]] = []
    if metrics["metrics"] is not None:
        own = metrics["metrics"][_SCORED_AS]
        rows += [
            ("AUC", own["auc"], "all frames, min-max per video"),
            ("macro AUC", own["auc_macro"], "mean of videos"),
            ("average precision", own["average_precision"], f"base rate {_percent(metrics['base_rate'])}"),
            ("equal error rate", own["equal_error_rate"], "lower is better"),
        ]
    if metrics["localisation"] is not None:
        own = metrics["localisation"]
        rows += [
            ("pixel AUC", own["pixel_auc"], "all pixels of videos with masks"),
            ("RBDC", own["region_auc"], f"of {own['regions']} labelled regions"),
            ("TBDC", own["track_auc"], f"of {own['tracks']} labelled tracks"),
        ]
    speed = f"{metrics['timing']['frames_per_second']:.1f}"
    return [
        *((name, _percent(value), remark) for name, value, remark in rows),
        ("frames per second", speed, metrics["timing"]["device"]),
    ]


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"


def _curve(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    rows = thin(x, y, _CURVE_COLUMNS)
    return list(zip(x[rows].round(4).tolist(), y[rows].round(4).tolist(), strict=True))


def _videos(evaluations: Sequence[Evaluation], worst: Sequence[Frame]) -> list[dict[str, Any]]:
    rows = timelines([evaluation.videos for evaluation in evaluations], worst)
    aucs = {
        video["name"]: video["auc"] for evaluation in evaluations for video in evaluation.metrics["videos"]
    }
    return [{**row, "auc": aucs[row["name"]]} for row in rows]


def _pictures(exhibits: Exhibits | None) -> list[tuple[str, list[tuple[int, str]]]]:
    """Pairs rather than an object: a foreign name must not meet those that every object has."""
    found: dict[str, list[tuple[int, str]]] = {}
    if exhibits is not None:
        for video, frame, jpeg in zip(exhibits.video, exhibits.frame, exhibits.pictures, strict=True):
            found.setdefault(str(video), []).append((int(frame), base64.b64encode(jpeg).decode()))
    return list(found.items())


def _memory(exhibits: Exhibits | None, videos: Sequence[VideoScores]) -> dict[str, Any] | None:
    if exhibits is None or not len(exhibits.queries):
        return None
    points = np.concatenate([exhibits.items, exhibits.queries]).astype(np.float64)
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    low, high = flat.min(axis=0), flat.max(axis=0)
    flat = ((flat - low) / np.where(high > low, high - low, 1)).round(4)
    kinds = _kinds(exhibits, videos)
    items, queries = flat[: len(exhibits.items)], flat[len(exhibits.items) :]
    return {
        "nearest": exhibits.nearest.sum(axis=(0, 1)).tolist(),
        "places": exhibits.nearest.argmax(axis=2).tolist(),
        "placed": float(exhibits.nearest.max(axis=2).sum() / exhibits.nearest.sum()),
        "items": items.tolist(),
        "queries": [[*point, kind] for point, kind in zip(queries.tolist(), kinds, strict=True)],
    }


def _kinds(exhibits: Exhibits, videos: Sequence[VideoScores]) -> list[int]:
    """1 for each exhibited frame that is labelled abnormal, else 0."""
    by_name = {video.name: video for video in videos}
    kinds = []
    for name, frame in zip(exhibits.video, exhibits.frame, strict=True):
        video = by_name[str(name)]
        kinds.append(0 if video.labels is None else int(video.labels[frame - video.frames[0]]))
    return kinds


def _worst(videos: Sequence[VideoScores]) -> tuple[list[Frame], list[Frame]]:
    """The worst misses and false alarms; of neighbouring frames only the worst."""
    misses, alarms = [], []
    for video in videos:
        if video.labels is not None:
            misses += _peaks(video, -video.anomaly, video.labels)
            alarms += _peaks(video, video.anomaly, ~video.labels)
    misses.sort(key=lambda row: row[2])
    alarms.sort(key=lambda row: -row[2])
    return misses[:_WORST], alarms[:_WORST]


def _peaks(video: VideoScores, badness: np.ndarray, among: np.ndarray) -> list[Frame]:
    left = np.where(among, badness, -np.inf)
    chosen: list[int] = []
    while len(chosen) < _WORST and left.max() > -np.inf:
        row = int(left.argmax())
        chosen.append(row)
        left[max(0, row - _APART + 1) : row + _APART] = -np.inf
    return [(video.name, int(video.frames[row]), round(float(video.anomaly[row]), 4)) for row in chosen]
