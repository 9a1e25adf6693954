"""How a camera stands, in words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipeline.events.event import Event, Kind
from pipeline.watch.view import Snapshot

Weight = Literal["good", "plain", "warn", "alarm"]
_FEED: dict[str, tuple[Weight, str]] = {
    "connecting": ("plain", "connecting"),
    "up": ("good", "live"),
    "down": ("warn", "down"),
    "ended": ("plain", "ended"),
}
_TROUBLE: dict[Kind, str] = {
    "black": "black, alarms pause",
    "frozen": "frozen",
    "moved": "moved, alarms pause",
    "drift": "drift, recalibrate",
}


@dataclass(frozen=True)
class Word:
    """One thing that is so of a camera.

    Attributes:
        weight: how much it matters.
        text: what is so.
    """

    weight: Weight
    text: str


def standing(snapshot: Snapshot, events: Iterable[Event]) -> list[Word]:
    """What is so of a camera, what matters most first.

    Args:
        snapshot: of the camera.
        events: of it; those that go on count.
    """
    words = [Word("alarm", "alarm")] if snapshot.alarm else []
    words.append(Word(*_FEED[snapshot.state]))
    going = {event.kind for event in events if event.type != "end"}
    words += [Word("warn", text) for kind, text in _TROUBLE.items() if kind in going]
    if is_armed(snapshot):
        words.append(Word("good", "armed"))
    elif snapshot.limit_hours is None:
        words.append(Word("plain", "learning") if snapshot.learning else Word("warn", "no alarms"))
    if snapshot.profile is not None:
        words.append(Word("plain", snapshot.profile))
    if snapshot.blocked:
        words.append(Word("warn", snapshot.blocked))
    if snapshot.unwritten:
        words.append(Word("warn", "results cannot be written"))
    if snapshot.snoozed_until is not None:
        words.append(Word("plain", f"snoozed until {moment(snapshot.snoozed_until)[11:16]}"))
    return list(dict.fromkeys(words))


def is_armed(snapshot: Snapshot) -> bool:
    """Whether a camera can raise alarms, and somebody is told of them."""
    return snapshot.limit_hours is not None and not snapshot.blocked


def moment(time: datetime) -> str:
    """A time as the clock of this machine shows it: `2026-05-01 14:03:27`."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S")
