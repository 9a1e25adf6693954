"""Events of a video or camera, as they begin and end: their lines in the log, thumbnails and clips."""

import contextlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pipeline.events.event import Box, Event, Files, Kind, Label, Model, Peak, Threshold, event_id
from pipeline.events.log import EventLog
from pipeline.events.schema import EVENT_ID
from pipeline.scoring.watching import Episode, Top
from shards.storage import Storage

THUMBNAILS = "thumbs"
CLIPS = "clips"
NAMES = {THUMBNAILS: re.compile(rf"{EVENT_ID}\.jpg"), CLIPS: re.compile(rf"{EVENT_ID}\.(mp4|mkv)")}
"""How the files are called that are written into each of the two folders; others are not the program's."""
KIND: Kind = "anomaly"

Trying = Callable[[str], contextlib.AbstractContextManager[None]]
"""Makes a block that writes into a folder of the results; it may pass over what cannot be written."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose events they are.

    Attributes:
        camera: name of the video or camera.
        source: its location.
        calibration: digest.
        model: what scores.
    """

    camera: str
    source: str
    calibration: str
    model: Model


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the strongest frame of an event so far looks like.

    Attributes:
        box: the most abnormal place.
        local_error: dB.
        zone: in which the place lies, or None.
        picture: of it, a JPEG.
    """

    box: Box
    local_error: float
    zone: str | None
    picture: bytes


class Happenings:
    """Writes down the events of one video or camera.

    Args:
        folder: of its results.
        log: in it.
        subject: whose events they are.
        clip: copies seconds of the video into a file of a given stem in `clips/`, and gives its name; None if
            that cannot be done.
        clock: the time, with zone, of seconds; None of a file, which has no clock.
        trying: in which pictures are written; what it does not pass over ends the work.
    """

    def __init__(
        self,
        folder: Storage,
        log: EventLog,
        subject: Subject,
        clip: Callable[[str, tuple[float, float]], str | None],
        clock: Callable[[float], datetime] | None = None,
        trying: Trying = lambda inside: contextlib.nullcontext(),
    ) -> None:
        self._folder, self._log, self._subject, self._clip = folder, log, subject, clip
        self._clock, self._trying = clock, trying
        self._thumbnail: str | None = None
        self._is_suppressed = False
        self._look: Look | None = None
        self._threshold: Threshold | None = None
        self.current: str | None = None
        """Id of the last event that began."""
        self.label: Label | None = None
        """What a person has said of it."""

    def see(self, look: Look) -> None:
        """Take what the strongest frame so far looks like."""
        self._look = look

    def begin(self, episode: Episode, threshold: Threshold, *, is_suppressed: bool = False) -> Event:
        """Write down an event that has begun, by a threshold; its strongest frame was seen. Returns it as the
        log has it, which knows of an earlier run, and what a person has said.

        Args:
            episode: what has begun.
            threshold: what it was raised by.
            is_suppressed: whether nobody is to be told.
        """
        subject, self._threshold = self._subject, threshold
        self._is_suppressed, self.label, self._thumbnail = is_suppressed, None, None
        start = episode.start if self._clock is None else self._clock(episode.start)
        self.current = event_id(subject.source, subject.calibration, KIND, start)
        return self._append(episode, Files(thumbnail=self._pictured()))

    def end(self, episode: Episode) -> Event:
        """Write down an event that is over, the last one that began, with its pictures; see `begin`."""
        assert self.current is not None and episode.end is not None
        clip = self._clip(self.current, (episode.start, episode.end))
        return self._append(episode, Files(clip=clip, thumbnail=self._pictured()))

    def _pictured(self) -> str | None:
        """Write the picture of the strongest frame so far; gives the one that is there, or None."""
        assert self._look is not None
        name = f"{THUMBNAILS}/{self.current}.jpg"
        with self._trying(THUMBNAILS):
            self._folder.write(name, self._look.picture)
            self._thumbnail = name
        return self._thumbnail

    def _append(self, episode: Episode, files: Files) -> Event:
        return self._log.append(self._event(episode, files))

    def _event(self, episode: Episode, files: Files) -> Event:
        assert self._look is not None and self.current is not None
        subject, clock = self._subject, self._clock
        return Event(
            id=self.current,
            type="new" if episode.end is None else "end",
            kind=KIND,
            camera=subject.camera,
            source=subject.source,
            start=None if clock is None else clock(episode.start),
            end=None if clock is None or episode.end is None else clock(episode.end),
            start_seconds=episode.start,
            end_seconds=episode.end,
            peak=_peak(episode.top, self._look, None if clock is None else clock(episode.top.seconds)),
            threshold=self._threshold,
            frames=episode.frames,
            max_gap_seconds=episode.max_gap,
            suppressed=self._is_suppressed,
            label=self.label,
            files=files,
            model=subject.model,
        )


def _peak(top: Top, look: Look, time: datetime | None) -> Peak:
    return Peak(
        time=time,
        seconds=top.seconds,
        frame=top.frame,
        evidence=top.evidence,
        local_error=look.local_error,
        rarity_hours=top.rarity_hours,
        censored=top.is_censored,
        box=look.box,
        zone=look.zone,
    )
