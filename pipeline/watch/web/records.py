"""What programs are told of cameras, as values of JSON."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pipeline.events.event import to_json
from pipeline.watch.view import View
from pipeline.watch.web.standing import standing

Messages = Mapping[str, tuple[str, str]]
"""The kind and the text of each message, by what the message is about."""
_STRIPS = ("minutes", "day")


def camera_record(view: View, name: str) -> dict[str, Any]:
    """All that is known of a camera."""
    snapshot = view.snapshot(name)
    record: dict[str, Any] = _json_value(dataclasses.asdict(snapshot))
    return record | {"standing": [word.text for word in standing(snapshot, view.events(name))]}


def messages(view: View) -> Messages:
    """Cameras as they are, without their strips; and events."""
    found: dict[str, tuple[str, str]] = {}
    for name in view.cameras:
        record = camera_record(view, name)
        short = {key: value for key, value in record.items() if key not in _STRIPS}
        found[f"camera {name}"] = "camera", json.dumps(short)
        for event in reversed(view.events(name)):
            found[f"event {name} {event.id}"] = "event", to_json(event)
    return found


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value
