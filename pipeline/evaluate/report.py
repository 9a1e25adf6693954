"""The report: one HTML file that needs nothing else, of one evaluation or of several side by side."""

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
from pipeline.evaluate.metrics import Curves, compute_curves
from pipeline.evaluate.scores import VideoScores, intervals, read_scores
from shards.storage import Storage

METRICS = "metrics.json"
REPORT = "report.html"
_WORST = 10
_APART = 10
"""Frames between two of the worst frames of a video; neighbours show the same."""
_CURVE_POINTS = 300
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
    """Read an evaluation.

    Raises:
        ReportError: there is none, or an unfinished one.
    """
    out = Storage(location)
    try:
        metrics = json.loads(out.read(METRICS))
        order = [video["name"] for video in metrics["videos"]]
        processes = metrics["provenance"]["processes"]
    except FileNotFoundError:
        raise ReportError(
            f"{out}: no {METRICS} found; give a folder that evaluate wrote, or run evaluate again"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{out}/{METRICS}: not that of an evaluation; run evaluate again") from error
    try:
        videos = read_scores(out, processes, order)
    except FileNotFoundError:
        raise ReportError(f"{out}: scores are missing; run evaluate again") from None
    name = str(out).rstrip("/")
    return Evaluation(name=name, metrics=metrics, videos=videos, exhibits=read_exhibits(out, processes))


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
    worst = _worst(first.videos) if single else ([], [])
    model = first.metrics["model"]
    return {
        "title": f"{first.metrics['dataset']}, {model['method']}" if single else "Evaluations compared",
        "subtitle": _subtitle(first) if single else ", ".join(e.name for e in evaluations),
        "notes": first.metrics["notes"] if single else [],
        "names": _NAMES,
        "runs": [_run(e, name) for e, name in zip(evaluations, names, strict=True)],
        "videos": _videos(evaluations),
        "pictures": _pictures(exhibits),
        "memory": _memory(exhibits, first.videos),
        "misses": worst[0],
        "alarms": worst[1],
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
        f"{provenance['threshold']}; labels: {labels}"
    )


def _run(evaluation: Evaluation, name: str) -> dict[str, Any]:
    metrics = evaluation.metrics
    curves = compute_curves(evaluation.videos)
    return {
        "name": name,
        "made": "prediction" if metrics["model"]["method"] == "pred" else "reconstruction",
        "metrics": metrics["metrics"],
        "tiles": _tiles(metrics),
        "roc": None if curves is None else _thin(curves.false_alarms, curves.hits),
        "pr": None if curves is None else _thin(curves.recall, curves.precision),
        "threshold": _threshold(curves),
        "provenance": {key: metrics[key] for key in ("provenance", "model", "config", "timing")},
    }


def _threshold(curves: Curves | None) -> float | None:
    return None if curves is None else curves.equal_error_threshold


def _tiles(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    speed = f"{metrics['timing']['frames_per_second']:.1f}"
    tiles = [("frames per second", speed, metrics["timing"]["device"])]
    if metrics["metrics"] is not None:
        own = metrics["metrics"][_SCORED_AS]
        rows = [
            ("AUC", own["auc"], "all frames, min-max per video"),
            ("macro AUC", own["auc_macro"], "mean of videos"),
            ("average precision", own["average_precision"], f"base rate {_percent(metrics['base_rate'])}"),
            ("equal error rate", own["equal_error_rate"], "lower is better"),
        ]
        tiles = [(name, _percent(value), remark) for name, value, remark in rows] + tiles
    return tiles


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{100 * value:.1f} %"


def _thin(x: np.ndarray, y: np.ndarray) -> list[tuple[float, float]]:
    """At most _CURVE_POINTS of a curve's points, both ends among them."""
    rows = np.unique(np.linspace(0, len(x) - 1, min(len(x), _CURVE_POINTS)).round().astype(int))
    return [(round(float(x[row]), 4), round(float(y[row]), 4)) for row in rows]


def _videos(evaluations: Sequence[Evaluation]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for run, evaluation in enumerate(evaluations):
        aucs = {video["name"]: video["auc"] for video in evaluation.metrics["videos"]}
        for video in evaluation.videos:
            abnormal = None if video.labels is None else intervals(video)
            row = rows.setdefault(
                video.name, {"name": video.name, "abnormal": abnormal, "series": [], "auc": aucs[video.name]}
            )
            if row["abnormal"] is None:
                row["abnormal"] = abnormal
            scores = (1000 * video.anomaly).round().astype(int).tolist()
            row["series"].append({"run": run, "first": int(video.frames[0]), "scores": scores})
            if len(evaluations) == 1:
                row["detail"] = _detail(video)
    return list(rows.values())


def _detail(video: VideoScores) -> dict[str, list[Any]]:
    return {
        "psnr": [round(value, 2) if np.isfinite(value) else None for value in video.scores.psnr.tolist()],
        "distance": [float(f"{value:.3g}") for value in video.scores.feature_distance.tolist()],
        "updated": video.scores.memory_updated.astype(int).tolist(),
    }


def _pictures(exhibits: Exhibits | None) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = {}
    if exhibits is not None:
        for video, frame, jpeg in zip(exhibits.video, exhibits.frame, exhibits.pictures, strict=True):
            found.setdefault(str(video), []).append((int(frame), base64.b64encode(jpeg).decode()))
    return found


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
        "nearest": exhibits.nearest.tolist(),
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


def _worst(videos: Sequence[VideoScores]) -> tuple[list[Any], list[Any]]:
    """The worst misses and false alarms: video, frame, score; of neighbouring frames only the worst."""
    misses, alarms = [], []
    for video in videos:
        if video.labels is not None:
            misses += _peaks(video, -video.anomaly, video.labels)
            alarms += _peaks(video, video.anomaly, ~video.labels)
    misses.sort(key=lambda row: row[2])
    alarms.sort(key=lambda row: -row[2])
    return misses[:_WORST], alarms[:_WORST]


def _peaks(video: VideoScores, badness: np.ndarray, among: np.ndarray) -> list[tuple[str, int, float]]:
    rows = np.flatnonzero(among)
    chosen: list[int] = []
    for row in rows[np.argsort(-badness[rows], kind="stable")]:
        if all(abs(row - other) >= _APART for other in chosen):
            chosen.append(int(row))
        if len(chosen) == _WORST:
            break
    return [(video.name, int(video.frames[row]), round(float(video.anomaly[row]), 4)) for row in chosen]
