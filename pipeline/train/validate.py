"""Test metrics while training goes on, for watching.

They come from the test set: whoever stops or chooses by them has trained on it, and the figure that is left
is no test any more. So they say so wherever they stand.
"""

from typing import Any

from pipeline.processes.commands import run_command
from pipeline.runs.evaluation import load_record
from pipeline.runs.layout import model_name
from pipeline.runs.ownership import refuse_links
from shards.locations import inside
from shards.storage import Storage

VALIDATION = "validation"
"""Where in a run such evaluations lie."""
NOTE = "test set: to watch, not to choose a model by"
FIGURES = ("auc", "auc_macro", "average_precision")


def validate(shards: str, run: str, step: int) -> dict[str, Any]:
    """Evaluate the checkpoint of a step with the defaults of `evaluate`; its figures and NOTE.

    What `evaluate` writes goes to `RUN/validation/step-N`.

    Raises:
        CommandError: the evaluation failed.
        ReportError: what it wrote is damaged.
    """
    name = f"{VALIDATION}/step-{step:08d}"
    refuse_links(Storage(run), [name])
    out = inside(run, name)
    run_command("evaluate", shards, inside(run, model_name(step)), "--out", out)
    figures = load_record(Storage(out)).of("anomaly_score")
    return {"note": NOTE, **{name: getattr(figures, name, None) for name in FIGURES}}
