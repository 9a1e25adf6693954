"""Test metrics while training goes on, for watching.

They come from the test set: whoever stops or chooses by them has trained on it, and the figure that is left
is no test any more. So they say so wherever they stand.
"""

import json
from typing import Any

from pipeline.commands import run_command
from pipeline.ownership import refuse_links
from pipeline.runs import model_name
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
    """
    name = f"{VALIDATION}/step-{step:08d}"
    refuse_links(Storage(run), [name])
    out = inside(run, name)
    run_command("evaluate", shards, inside(run, model_name(step)), "--out", out)
    metrics = json.loads(Storage(out).read("metrics.json"))
    figures = (metrics["metrics"] or {}).get("anomaly_score", {})
    return {"note": NOTE, **{name: figures.get(name) for name in FIGURES}}
