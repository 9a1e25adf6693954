"""Evaluations as tests need them."""

from pipeline.runs.evaluation import (
    Bounds,
    EvaluationRecord,
    FrameCounts,
    Localisation,
    Metrics,
    Online,
    ScoredModel,
    Speed,
    VideoFigures,
)
from pipeline.runs.provenance import Provenance

WORK = Provenance(
    code_version="1",
    checkpoint="c",
    checkpoint_sha256="00",
    shards="s",
    manifest_sha256="11",
    split="testing",
    memory="video",
    alpha=0.6,
    threshold=0.01,
    distance="items",
    runtime="torch",
    precision="fp32",
    batch_size=32,
    processes=2,
    report=False,
    maps=False,
)

_FIGURES = Metrics(
    auc=0.5,
    auc_global=0.5,
    auc_raw=0.5,
    auc_macro=0.5,
    average_precision=0.25,
    equal_error_rate=None,
)
_BOUNDS = Metrics(
    auc=1e-5, auc_global=2e-5, auc_raw=1e-5, auc_macro=0, average_precision=1e-4, equal_error_rate=None
)
RECORD = EvaluationRecord(
    auc=0.5,
    metrics=dict.fromkeys(("anomaly_score", "psnr", "feature_distance"), _FIGURES),
    smoothed={"sigma": 2.0, "auc": 0.5, "equal_error_rate": None},
    base_rate=0.25,
    frames=FrameCounts(scored=8, labelled=4, abnormal=1),
    videos=(
        VideoFigures(name="a", scored=4, abnormal=1, memory_updates=2, auc=0.5),
        VideoFigures(name="b", scored=4, abnormal=None, memory_updates=0, auc=None),
    ),
    online=Online(psnr=0.5, local_error=0.75, psnr_smoothed=None, local_error_smoothed=1),
    bounds=Bounds(
        bins=65536,
        metrics=dict.fromkeys(("anomaly_score", "psnr", "feature_distance"), _BOUNDS),
        smoothed=_BOUNDS,
        online=Online(psnr=1e-5, local_error=1e-5, psnr_smoothed=None, local_error_smoothed=0),
    ),
    label_source=("labels.npy",),
    localisation=Localisation(pixel_auc=0.5, region_auc=None, track_auc=1, regions=3, tracks=1),
    notes=("1 videos without labels are not in the figures: b",),
    provenance=WORK,
    model=ScoredModel(
        method="pred",
        window=5,
        items=4,
        height=16,
        width=None,
        step=3,
        epoch=1,
        origin={"options": {"lr": 0.1}},
    ),
    dataset="folder",
    config={"shards": "s", "out": None, "smoothing": 2.0},
    timing=Speed(frames_per_second=10.5, seconds=1, frames=8, timed="all", device="cpu"),
)
"""One that has every entry."""
