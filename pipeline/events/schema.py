"""The JSON Schema of an event, and the check of a value against it."""

import math
import re
from typing import Any, Final

VERSION = 1
TYPES = ("new", "update", "end")
KINDS: Final = ("anomaly", "camera_down", "black", "frozen", "moved", "drift")
LABELS = ("normal", "real")
EVENT_ID: Final = "[0-9a-f]{16}"
"""The pattern of an event's id."""

_MOST_NUMBER = 2**53
_MOST_TEXT = 4096
"""Characters: as long as a path may be."""
_TIME: Final = {
    "description": "Date and time with zone; null where the source has no clock, as a file",
    "type": ["string", "null"],
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$",
}
_DIGEST: Final = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_COUNT: Final = {"type": "integer", "minimum": 0, "maximum": _MOST_NUMBER}


def _text(description: str, *, or_null: bool = False) -> dict[str, Any]:
    kind = ["string", "null"] if or_null else "string"
    return {"description": description, "type": kind, "minLength": 1, "maxLength": _MOST_TEXT}


def _file(description: str, folder: str) -> dict[str, Any]:
    """A file right in a folder of the results, and nowhere else; null where there is none."""
    return {**_text(description, or_null=True), "pattern": f"^{folder}/[A-Za-z0-9_-][A-Za-z0-9._-]*$"}


def _number(description: str, *, or_null: bool = False, **limits: float) -> dict[str, Any]:
    return {"description": description, "type": ["number", "null"] if or_null else "number", **limits}


def _object(description: str, properties: dict[str, Any], *, or_null: bool = False) -> dict[str, Any]:
    return {
        "description": description,
        "type": ["object", "null"] if or_null else "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_PEAK = {
    "time": _TIME,
    "seconds": _number("Since the first frame of the source", minimum=0),
    "frame": {"description": "Number of the frame, from 0", **_COUNT},
    "evidence": _number("How far above normal, in standard deviations of normal video"),
    "local_error": _number("Largest mean error of a box in the picture, dB"),
    "rarity_hours": _number(
        "Normal video of this camera shows as much once in so many hours", exclusiveMinimum=0
    ),
    "censored": {
        "description": "Whether it is rarer than that: the calibration has no more hours",
        "type": "boolean",
    },
    "box": {
        "description": "Left, top, width and height of the place, as parts of the picture",
        "type": ["array", "null"],
        "items": {"type": "number", "minimum": 0, "maximum": 1},
        "minItems": 4,
        "maxItems": 4,
    },
    "zone": _text("Name of the zone in which it lies", or_null=True),
}
_THRESHOLD = {
    "evidence": _number("Level that opens an alarm"),
    "alarms_per_hour": _number("That were asked for at most", exclusiveMinimum=0),
    "confidence": _number(
        "That no more are raised; null for the mean", or_null=True, exclusiveMinimum=0, exclusiveMaximum=1
    ),
    "calibration_hours": _number("Hours of normal video behind it", exclusiveMinimum=0),
    "profile": _text("Name of the profile of the calibration", or_null=True),
}
SCHEMA: Final[dict[str, Any]] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Event",
    **_object(
        "Something that happened before a camera, or to it",
        {
            "version": {"const": VERSION},
            "id": {
                "description": "The same video, calibration and start give the same",
                "type": "string",
                "pattern": f"^{EVENT_ID}$",
            },
            "type": {"enum": [*TYPES]},
            "kind": {"enum": [*KINDS]},
            "camera": _text("Name of the camera or video"),
            "source": _text("Where its pictures come from, without user, password and query"),
            "start": _TIME,
            "end": {**_TIME, "description": "As start; null while the event goes on"},
            "start_seconds": _number("Since the first frame of the source", minimum=0),
            "end_seconds": _number("As start_seconds; null while the event goes on", or_null=True, minimum=0),
            "peak": _object("The strongest frame so far; null where no frame is scored", _PEAK, or_null=True),
            "threshold": _object(
                "What the alarm was raised by; null where none was", _THRESHOLD, or_null=True
            ),
            "frames": {"description": "Scored frames in it so far", **_COUNT},
            "max_gap_seconds": _number("Longest time in it without a scored frame", minimum=0),
            "interrupted": {"description": "Whether the program stopped in it", "type": "boolean"},
            "suppressed": {
                "description": "Whether nobody was told: snoozed, quiet, black or moved",
                "type": "boolean",
            },
            "label": {"description": "What a person said of it", "enum": [*LABELS, None]},
            "files": _object(
                "Paths inside the folder of the results; null where there is none",
                {"clip": _file("Video of it", "clips"), "thumbnail": _file("Its peak", "thumbs")},
            ),
            "model": _object(
                "What scored it", {"checkpoint_sha256": _DIGEST, "version": _text("Of this program")}
            ),
        },
    ),
}
"""Written for `check` below, which knows the words that stand here and no others."""

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def check(value: Any, schema: dict[str, Any] = SCHEMA, name: str = "") -> None:
    """Check a JSON value against a schema.

    Args:
        value: of JSON.
        schema: of the value.
        name: of the value, such as `peak.box[2]`, for the message; empty for an event as a whole.

    Raises:
        ValueError: one line about the first entry that is not as it should be.
    """
    for expected in (_expected_value(value, schema), _expected_text(value, schema)):
        if expected:
            raise ValueError(f"found {name or 'event'} {value!r:.80}, expected {expected}")
    if isinstance(value, dict):
        _check_entries(value, schema, name)
    elif isinstance(value, list):
        if not schema["minItems"] <= len(value) <= schema["maxItems"]:
            raise ValueError(f"found {name} of {len(value)} entries, expected {schema['minItems']}")
        for index, item in enumerate(value):
            check(item, schema["items"], f"{name}[{index}]")


def _check_entries(value: dict[str, Any], schema: dict[str, Any], name: str) -> None:
    where = name or "event"
    if missing := [key for key in schema["required"] if key not in value]:
        raise ValueError(f"found {where} without {missing[0]}, expected one")
    if foreign := [key for key in value if key not in schema["properties"]]:
        raise ValueError(f"found {foreign[0]!r:.80} in {where}, expected no such entry")
    for key, inner in schema["properties"].items():
        check(value[key], inner, f"{name}.{key}".lstrip("."))


def _expected_value(value: Any, schema: dict[str, Any]) -> str | None:
    """What a constant, a type or a number should be, or None if it is."""
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if choices is not None and not any(type(value) is type(choice) and value == choice for choice in choices):
        return " or ".join("null" if choice is None else str(choice) for choice in choices)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and type(value) not in {python for kind in kinds for python in _TYPES[kind]}:
        return " or ".join(kinds)
    if isinstance(value, int | float):
        if not math.isfinite(value):
            return "a finite number"
        for word, sign, fits in (
            ("minimum", "at least", value >= schema.get("minimum", value)),
            ("maximum", "at most", value <= schema.get("maximum", value)),
            ("exclusiveMinimum", "more than", value > schema.get("exclusiveMinimum", -math.inf)),
            ("exclusiveMaximum", "less than", value < schema.get("exclusiveMaximum", math.inf)),
        ):
            if not fits:
                return f"{sign} {schema[word]}"
    return None


def _expected_text(value: Any, schema: dict[str, Any]) -> str | None:
    """What a text should be, or None if it is."""
    if not isinstance(value, str):
        return None
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value, re.ASCII):
        return f"what matches {schema['pattern']}"
    least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
    return None if least <= len(value) <= most else f"{least} to {most} characters"
