"""Events of the camera itself in its log, with their beginnings and ends; and events that were cut off."""

import dataclasses
from datetime import datetime

from pipeline.events.event import Event, Kind, Label, event_id
from pipeline.events.log import EventLog
from pipeline.scoring.happenings import Subject


class Incidents:
    """Writes them down.

    Args:
        log: of the camera.
        subject: whose events they are.
    """

    def __init__(self, log: EventLog, subject: Subject) -> None:
        self._log, self._subject = log, subject
        self._open: dict[Kind, Event] = {}

    def turn(
        self,
        kind: Kind,
        is_on: bool,
        seconds: float,
        time: datetime,
        *,
        is_suppressed: bool = False,
        is_interrupted: bool = False,
    ) -> list[Event]:
        """Something begins or ends; returns the event, if it is news.

        Args:
            kind: what.
            is_on: whether it begins.
            seconds: when it begins, of the camera's frames.
            time: when it begins or ends.
            is_suppressed: whether nobody is to be told of one that begins.
            is_interrupted: whether one that ends is not over: the program stops.
        """
        if is_on == (kind in self._open):
            return []
        if is_on:
            subject = self._subject
            event = Event(
                id=event_id(subject.source, "", kind, time),
                type="new",
                kind=kind,
                camera=subject.camera,
                source=subject.source,
                start=time,
                end=None,
                start_seconds=max(0.0, seconds),
                end_seconds=None,
                peak=None,
                threshold=None,
                frames=0,
                max_gap_seconds=0.0,
                suppressed=is_suppressed,
                model=subject.model,
            )
            self._open[kind] = event
        else:
            begun = self._open.pop(kind)
            assert begun.start is not None
            time = max(time, begun.start)  # the clock of the machine may have been set back meanwhile
            end = begun.start_seconds + (time - begun.start).total_seconds()
            event = dataclasses.replace(
                begun, type="end", end=time, end_seconds=end, interrupted=is_interrupted
            )
        return [self._log.append(event)]

    def say(self, event: str, label: Label | None) -> None:
        """Have the end of an event carry what a person has said of it."""
        for kind, begun in self._open.items():
            if begun.id == event:
                self._open[kind] = dataclasses.replace(begun, label=label)

    def close(self, time: datetime) -> list[Event]:
        """End all that goes on, for the program stops: what it was is not over."""
        return [
            event
            for kind in list(self._open)
            for event in self.turn(kind, False, 0.0, time, is_interrupted=True)
        ]


def close_interrupted(log: EventLog) -> list[Event]:
    """End the events that a program which was killed has left open, with what is known of them."""
    ended = []
    for event in log.events:
        if event.type != "end":
            last = event.start_seconds if event.peak is None else event.peak.seconds
            time = event.start if event.peak is None else event.peak.time
            end = dataclasses.replace(
                event, type="end", end=time, end_seconds=max(event.start_seconds, last), interrupted=True
            )
            log.append(end)
            ended.append(end)
    return ended
