"""What may be known and done of a running watch, from any thread: for a page, an API, or metrics.

    view = engine.view
    for name in view.cameras:
        view.snapshot(name).words, view.picture(name), view.events(name)
    view.snooze("yard", 3600)
    view.label("yard", event_id, "normal")

Nothing here waits for the scoring of a frame.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pipeline.events.event import Event, Label
from pipeline.watch.feed import State


@dataclass(frozen=True, kw_only=True)
class Point:
    """A stretch of a strip.

    Attributes:
        start: when it begins, with zone; of a file, whose frames have no clock, when they were scored.
        rarity_hours: of its rarest frame; None where none could raise an alarm.
        censored: whether that is rarer still.
        alarm: whether an alarm was open.
    """

    start: datetime
    rarity_hours: float | None
    censored: bool
    alarm: bool


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A camera, as it is now.

    Attributes:
        name: of the camera.
        source: its location, without secrets.
        state: of its pictures.
        reason: why they do not come, or empty.
        words: all that a person must know, in a line.
        time: of the last scored frame, with zone; None before the first.
        rarity_hours, censored, alarm: of that frame, as in `Point`.
        box: its most abnormal place (left, top, width, height as parts of the picture), or None.
        least_hours, limit_hours: the rarity of all that is usual, and the one that opens an alarm; None where
            no alarm is raised.
        profile: of that frame, if frames are of several; else None.
        notes: what else must be known of what frames are held against.
        missing: why no alarm is raised, and the command that mends it; None if alarms are.
        blocked: why none is raised at present, or nobody told of one, whatever the calibration: the machine
            is too slow, the pictures break off, the camera is black or moved, its rate is off; or empty.
        learning: whether none is raised because the camera is being learned.
        promise: what holds of the alarms, of that profile, in words; None where there is none.
        drift: what the drift of the camera is, in words; empty where it cannot be told.
        minutes, day: strips of the last ten minutes and of the last day, oldest first.
        rate: frames per second that are scored, or None.
        missed_rate: that of the model, if the camera's is so far off that nobody is told of alarms, or None.
        scored, skipped: windows.
        latency_p50, latency_p95: seconds from the arrival of a frame to what is said of it; None before one.
        reconnects: after drops.
        snoozed_until: with zone; None while it is not.
        waiting_bytes: of events that have not reached everybody.
        left_out: how many times an event was left out for good by one of those it was sent to.
        unwritten: why results cannot be written, or empty.
        write_failures: how often one could not be.
    """

    name: str
    source: str
    state: State
    reason: str
    words: str
    time: datetime | None
    rarity_hours: float | None
    censored: bool
    alarm: bool
    box: tuple[float, float, float, float] | None
    least_hours: float | None
    limit_hours: float | None
    profile: str | None
    notes: tuple[str, ...]
    missing: str | None
    blocked: str
    learning: bool
    promise: str | None
    drift: str
    minutes: tuple[Point, ...]
    day: tuple[Point, ...]
    rate: float | None
    missed_rate: float | None
    scored: int
    skipped: int
    latency_p50: float | None
    latency_p95: float | None
    reconnects: int
    snoozed_until: datetime | None
    waiting_bytes: int
    left_out: int = 0
    unwritten: str = ""
    write_failures: int = 0


class Camera(Protocol):
    """What `View` asks of one camera."""

    folder: Path

    def snapshot(self) -> Snapshot:
        """As `View.snapshot`."""
        ...

    def picture(self, most: int) -> bytes | None:
        """As `View.picture`."""
        ...

    def events(self) -> list[Event]:
        """As `View.events`."""
        ...

    def snooze(self, seconds: float) -> None:
        """As `View.snooze`."""
        ...

    def label(self, event: str, label: Label | None) -> bool:
        """As `View.label`."""
        ...


class View:
    """A running watch. A name that is no camera is a KeyError; all methods may be called from any thread."""

    def __init__(self, cameras: Mapping[str, Camera]) -> None:
        self._cameras = dict(cameras)

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names, in the order in which they were given."""
        return tuple(self._cameras)

    def snapshot(self, camera: str) -> Snapshot:
        """The camera as it is now."""
        return self._cameras[camera].snapshot()

    def picture(self, camera: str, most: int = 960) -> bytes | None:
        """The last frame as a JPEG of at most so many pixels a side; None before the first."""
        return self._cameras[camera].picture(most)

    def events(self, camera: str) -> list[Event]:
        """The last events, newest first; at most 200."""
        return self._cameras[camera].events()

    def folder(self, camera: str) -> Path:
        """Where the results of a camera lie: `Event.files` are paths in it."""
        return self._cameras[camera].folder

    def snooze(self, camera: str, seconds: float) -> None:
        """Tell nobody of events that begin within the next seconds; 0 ends that."""
        self._cameras[camera].snooze(seconds)

    def label(self, camera: str, event: str, label: Label | None) -> bool:
        """Write down what a person says of an event, as soon as can be.

        Returns:
            False if the log knows no such event any more, or the watch ends.
        """
        return self._cameras[camera].label(event, label)
