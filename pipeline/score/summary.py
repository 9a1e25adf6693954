"""What a run of `score` found, in the words that end it."""

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.events.event import Event
from pipeline.events.words import clock, place, rarity
from pipeline.runs.calibration import Runtime
from pipeline.score.record import Result, Took
from pipeline.scoring.drifting import Drift


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A video that was scored.

    Attributes:
        name: of the video.
        result: what was found.
        events: in order.
        was_done: whether an earlier run had scored it.
    """

    name: str
    result: Result
    events: Sequence[Event]
    was_done: bool


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run found.

    Attributes:
        out: where the results are: the page of the one video, or the folder of several.
        videos: that were scored.
        skipped: names and reasons of those that could not be.
        alarms_per_hour: that were to be expected at most; None where no alarm is raised.
        is_optimistic: whether the model was trained on the calibration's video.
        runtime: that has computed the scores.
        drift: how the videos compare with the calibration; None where that cannot be told.
        missing: why no alarm is raised, and the command that mends it; None if alarms are.
        notes: what of the given folders was left out, or read through links.
    """

    out: str
    videos: Sequence[Scored]
    skipped: Sequence[tuple[str, str]]
    alarms_per_hour: float | None
    is_optimistic: bool
    runtime: Runtime
    drift: Drift | None
    missing: str | None
    notes: tuple[str, ...] = ()

    @property
    def events(self) -> list[Event]:
        """Of all videos."""
        return [event for video in self.videos for event in video.events]

    def line(self) -> str:
        """The one line that a person reads at the end."""
        return " · ".join(
            part for part in (self._found(), self._strongest(), self._speed(), self.out) if part
        )

    def _found(self) -> str:
        held = [video.result for video in self.videos if video.result.is_calibrated]
        if self.alarms_per_hour is None or not held:
            frames = sum(video.result.frames for video in self.videos)
            seconds = sum(video.result.seconds for video in self.videos)
            without = "a promise" if held else "a calibration"
            without += "" if self.alarms_per_hour is None else " at its rate"
            return f"{frames} frames scored in {clock(seconds)}, no alarm without {without}"
        seconds = sum(result.seconds for result in held)
        count = len(self.events)
        optimistic = ", optimistic" if self.is_optimistic else ""
        return (
            f"{count} event{'' if count == 1 else 's'} in {clock(seconds)} (at most "
            f"{self.alarms_per_hour:g} expected per hour{optimistic})"
        )

    def _strongest(self) -> str:
        peaks = [(event.peak, event) for event in self.events if event.peak is not None]
        if not peaks:
            return ""
        peak, event = max(peaks, key=lambda pair: pair[0].evidence)
        camera = f"{event.camera} " if len(self.videos) > 1 else ""
        where = place(peak)
        return f"strongest {camera}{clock(peak.seconds)}, {rarity(peak)}{f', {where}' if where else ''}"

    def _speed(self) -> str:
        fresh = [video.result for video in self.videos if not video.was_done]
        if not fresh:
            return ""
        took = functools.reduce(operator.add, (result.took for result in fresh))
        frames, seconds = sum(result.frames for result in fresh), sum(result.seconds for result in fresh)
        return f"{speed(frames, seconds, took.total)} ({whereabouts(took)})"


def whereabouts(took: Took) -> str:
    """Where the time went, such as `81 % scoring, 12 % pictures and tables, 7 % waiting for frames; ...`."""
    rest = took.total - took.scoring - took.waiting
    parts = ((took.scoring, "scoring"), (rest, "pictures and tables"), (took.waiting, "waiting for frames"))
    shares = ", ".join(f"{100 * seconds / took.total:.0f} % {what}" for seconds, what in parts)
    return f"{shares}; decoding beside it {100 * took.decoding / took.total:.0f} %"


def speed(frames: int, seconds: float, took: float) -> str:
    """How fast video was scored, such as `38 frames/s, 2.5 × real time`."""
    return f"{frames / took:.3g} frames/s, {seconds / took:.2g} × real time"  # noqa: RUF001, the sign for times
