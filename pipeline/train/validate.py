"""Test metrics while training goes on, for watching.

They come from the test set: whoever stops or chooses by them has trained on it, and the figure that is left
is no test any more. So they say so wherever they stand.
"""

from collections.abc import Set
from typing import Any

from pipeline.config import Device
from pipeline.errors import ConfigError
from pipeline.processes.commands import run_command
from pipeline.runs.evaluation import load_record
from pipeline.runs.layout import model_name
from pipeline.runs.metricslines import metrics_lines
from pipeline.runs.ownership import refuse_links
from shards.entries import Geometry
from shards.locations import inside, shown
from shards.manifest import Manifest, load_manifest
from shards.storage import Storage

VALIDATION = "validation"
"""Where in a run such evaluations lie."""
NOTE = "test set: to watch, not to choose a model by"
FIGURES = ("auc", "auc_macro", "average_precision")


def require_fit(shards: str, training: Geometry, window: int) -> None:
    """Check before the first epoch what `evaluate` would find out after it.

    Args:
        shards: the set to validate on.
        training: of the frames that are trained on.
        window: frames per window.

    Raises:
        ShardError: there is no such set.
        ConfigError: it is of other frames or shorter windows, or has no labels to find figures by.
    """
    manifest = load_manifest(Storage(shards))
    where = f"--validate {shown(shards)}"
    found, expected = manifest.geometry, training
    if _frame(found) != _frame(expected):
        raise ConfigError(
            f"{where}: found frames of {_frame(found)}, expected {_frame(expected)} as in the set that is "
            f"trained on; preprocess it again with --size {expected.height}x{expected.width}"
        )
    if window > manifest.window:
        raise ConfigError(
            f"{where}: found windows of up to {manifest.window} frames, expected {window}; preprocess it "
            f"again with --window {window}"
        )
    if _kinds(manifest, window) != {False, True}:
        raise ConfigError(
            f"{where}: found no testing videos with frame labels of both kinds, expected some; give "
            "preprocess --labels, or train without --validate"
        )


def _frame(geometry: Geometry) -> str:
    return f"{geometry.height}x{geometry.width}x{geometry.channels} {geometry.channel_order}"


def _kinds(manifest: Manifest, window: int) -> Set[bool]:
    """The labels that frames with a score have, until both are found."""
    found: set[bool] = set()
    for video in manifest.split("testing"):
        if video.labels is not None:
            found |= set(video.labels[window - 1 :].tolist())
        if len(found) == 2:
            break
    return found


def is_validated(run: Storage, step: int) -> bool:
    """Whether a line of the run's metrics tells of an evaluation after so many steps."""
    return any((line.get("kind"), line["step"]) == (VALIDATION, step) for _, line in metrics_lines(run))


def validate(shards: str, run: str, step: int, device: Device) -> dict[str, Any]:
    """Evaluate the checkpoint of a step with the defaults of `evaluate`; its figures and NOTE.

    What `evaluate` writes goes to `RUN/validation/step-N`.

    Args:
        shards: the set.
        run: the run.
        step: of the checkpoint.
        device: where to compute, as for the training.

    Raises:
        CommandError: the evaluation failed.
        ReportError: what it wrote is damaged.
    """
    name = f"{VALIDATION}/step-{step:08d}"
    refuse_links(Storage(run), [name])
    out = inside(run, name)
    run_command("evaluate", shards, inside(run, model_name(step)), "--out", out, "--device", device)
    figures = load_record(Storage(out)).of("anomaly_score")
    return {"note": NOTE, **{name: getattr(figures, name, None) for name in FIGURES}}
