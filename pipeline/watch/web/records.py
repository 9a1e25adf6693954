"""What programs are told of cameras, as JSON."""

import dataclasses
import json
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pipeline.events.event import Event, to_json
from pipeline.watch.view import Snapshot, View
from pipeline.watch.web.standing import standing

Messages = Mapping[str, tuple[str, str]]
"""The kind and the text of each message, by what the message is about."""
_STRIPS = ("minutes", "day")
_FIELDS = tuple(field.name for field in dataclasses.fields(Snapshot))


class Records:
    """What programs are told. An event is put into words once, however many ask for it, and however often: of
    100 cameras with 200 events each that takes 1.7 s.

    All methods may be called from any thread.

    Args:
        view: of the watch.
    """

    def __init__(self, view: View) -> None:
        self._view = view
        self._lock = threading.Lock()
        self._events: dict[str, tuple[list[Event], dict[str, tuple[str, str]]]] = {}
        self._last: Messages = {}

    def cameras(self) -> str:
        """All that is known of all cameras."""
        return json.dumps({"cameras": [camera_record(self._view, name) for name in self._view.cameras]})

    def events(self, names: Iterable[str]) -> str:
        """The events of some cameras, newest first, in the form of all events."""
        texts = [text for name in names for _, text in reversed(self._messages_of(name).values())]
        return f'{{"events": [{", ".join(texts)}]}}'

    def messages(self) -> Messages:
        """Cameras as they are, without their strips, and events; the same object while it says the same."""
        found: dict[str, tuple[str, str]] = {}
        for name in self._view.cameras:
            record = camera_record(self._view, name, but=_STRIPS)
            found[f"camera {name}"] = "camera", json.dumps(record)
            found.update(self._messages_of(name))
        with self._lock:
            if found != self._last:
                self._last = found
            return self._last

    def _messages_of(self, name: str) -> dict[str, tuple[str, str]]:
        """The events of a camera, oldest first."""
        events = self._view.events(name)
        with self._lock:
            known, messages = self._events.get(name, ([], {}))
            if events != known:
                of = {event.id: event for event in known}
                messages = {
                    key: messages[key] if of.get(event.id) is event else ("event", to_json(event))
                    for event in reversed(events)
                    for key in [f"event {name} {event.id}"]
                }
                self._events[name] = events, messages
            return messages


def camera_record(view: View, name: str, but: Iterable[str] = ()) -> dict[str, Any]:
    """All that is known of a camera, apart from some of it."""
    snapshot = view.snapshot(name)
    record = {field: _json_value(getattr(snapshot, field)) for field in _FIELDS if field not in but}
    return record | {"standing": [word.text for word in standing(snapshot, view.events(name))]}


def _json_value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_json_value(inner) for inner in value]
    if dataclasses.is_dataclass(value):
        return {key: _json_value(inner) for key, inner in vars(value).items()}
    return value.isoformat() if isinstance(value, datetime) else value
