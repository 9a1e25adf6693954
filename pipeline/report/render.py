"""The page as a file: one HTML that needs nothing else, of one evaluation or of several side by side."""

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from pipeline.report.document import style
from pipeline.report.evaluation import Evaluation, load_evaluation
from pipeline.report.page import page_data
from shards.storage import Storage, storage_of

REPORT = "report.html"


def write_report(locations: Sequence[str], out: str | Path | None = None) -> str:
    """Write the page of one evaluation, or of several side by side; returns where.

    Args:
        locations: of the evaluations.
        out: the file; None for `report.html` in the one evaluation, or `comparison.html` here.
    """
    page = render([load_evaluation(location) for location in locations]).encode()
    if out is None and len(locations) == 1:
        storage, name = Storage(locations[0]), REPORT
    else:
        storage, name = storage_of(str(out or "comparison.html"))
    storage.write(name, page)
    return f"{storage}/{name}"


def render(evaluations: Sequence[Evaluation]) -> str:
    """The page: everything about one evaluation, or several compared."""
    template = resources.files("pipeline.report").joinpath("page.html").read_text(encoding="utf-8")
    data = json.dumps(page_data(evaluations), separators=(",", ":"), allow_nan=False)
    template = template.replace("/*STYLE*/", f"\n{style()}")
    # A name that holds </script> must not end the element that carries the data.
    return template.replace("/*DATA*/", data.replace("<", "\\u003c"))
