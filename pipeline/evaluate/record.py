"""What a reader of `metrics.json` relies on, beside the figures that it can compute itself."""

from typing import Any

from pipeline.evaluate.config import MOST_SMOOTHING

_NUMBER = (int, float)
_FIGURE = (int, float, type(None))
_SHAPE: dict[str, Any] = {
    "dataset": str,
    "notes": [str],
    "label_source": [str],
    "model": {"method": str},
    "provenance": {"split": str, "memory": str, "alpha": _NUMBER, "threshold": _NUMBER, "processes": int},
    "config": {"smoothing": _NUMBER},
    "timing": {"frames_per_second": _NUMBER, "device": str},
    "videos": [{"name": str}],
}
_LOCALISATION = {
    "pixel_auc": _FIGURE,
    "region_auc": _FIGURE,
    "track_auc": _FIGURE,
    "regions": int,
    "tracks": int,
}


def check_record(metrics: Any) -> None:
    """Check types and ranges of what is relied on.

    Raises:
        ValueError: naming the first entry that cannot be right.
    """
    _check("", metrics, _SHAPE)
    if "localisation" not in metrics:
        raise ValueError("found no localisation")
    if metrics["localisation"] is not None:
        _check("localisation", metrics["localisation"], _LOCALISATION)
    for name, value, most in (
        ("alpha", metrics["provenance"]["alpha"], 1),
        ("smoothing", metrics["config"]["smoothing"], MOST_SMOOTHING),
    ):
        if not 0 <= value <= most:
            raise ValueError(f"found {name} {value}, expected 0 to {most}")
    if metrics["provenance"]["processes"] < 1:
        raise ValueError(f"found {metrics['provenance']['processes']} processes")


def _check(name: str, value: Any, shape: Any) -> None:
    """Compare a JSON value with a type, several types, or the same in a list or in some entries of a dict."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            raise ValueError(f"found no entries in {name or 'it'}")
        for key, inner in shape.items():
            if key not in value:
                raise ValueError(f"found no {f'{name}.{key}'.lstrip('.')}")
            _check(f"{name}.{key}".lstrip("."), value[key], inner)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise ValueError(f"found no list {name}")
        for item in value:
            _check(name, item, shape[0])
    elif isinstance(value, bool) or not isinstance(value, shape):
        raise ValueError(f"found {name} of type {type(value).__name__}")
