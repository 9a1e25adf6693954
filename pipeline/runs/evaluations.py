"""What an evaluation found, for those that did not make it: its `metrics.json` as far as they rely on it."""

from typing import Any

from pipeline.errors import ReportError
from shards.jsonfile import read_json
from shards.storage import Storage

METRICS = "metrics.json"
FORMAT = "mnad-evaluation"


def read_metrics(storage: Storage, name: str = METRICS) -> dict[str, Any]:
    """The record of an evaluation.

    `provenance` has texts, `model.step` is a whole number, `auc` one in [0, 1] or None, and `metrics` None or
    by score a dict of numbers.

    Args:
        storage: where the file lies.
        name: of the file.

    Raises:
        ReportError: it is missing, damaged, or of something else.
    """
    where = f"{storage}/{name}"
    try:
        record: dict[str, Any] = read_json(storage, name)
        if record["format"] != FORMAT:
            raise ValueError(f"{where}: of another program")
        _check(record)
    except FileNotFoundError:
        raise ReportError(f"{where}: not found; run evaluate again") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = str(error).removeprefix(f"{where}: ")
        raise ReportError(f"{where}: not that of an evaluation ({reason}); run evaluate again") from error
    return record


def _check(record: dict[str, Any]) -> None:
    for name in ("code_version", "checkpoint_sha256", "manifest_sha256", "memory", "split", "shards"):
        if type(record["provenance"][name]) is not str:
            raise ValueError(f"provenance.{name} is no text")
    if type(record["model"]["step"]) is not int:
        raise ValueError("model.step is no whole number")
    if record["auc"] is not None and not (type(record["auc"]) in (int, float) and 0 <= record["auc"] <= 1):
        raise ValueError("auc is not between 0 and 1")
    for score, figures in (record["metrics"] or {}).items():
        if any(type(figure) not in (int, float, type(None)) for figure in figures.values()):
            raise ValueError(f"metrics.{score} holds what is no number")
