"""An event: the same object in files, messages and the Python interface."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pipeline.errors import SourceError
from pipeline.events.schema import VERSION, check
from shards.digests import digest_of
from shards.jsonfile import parse_json
from shards.locations import shown

Type = Literal["new", "update", "end"]
Kind = Literal["anomaly", "camera_down", "black", "frozen", "moved", "drift"]
Label = Literal["normal", "real"]
Box = tuple[float, float, float, float]
"""Left, top, width and height, as parts of the picture."""

MOST_BYTES = 64 << 10
"""The largest event in bytes of JSON. Its eight texts have at most 4,096 characters each; an event of this
program has 1 kB."""
_ROUNDING = 1e-6
"""The share of the picture's width or height by which a box may leave the picture."""


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The strongest frame of an event.

    Attributes:
        time: with zone; None where the source has no clock.
        seconds: since the first frame of the source.
        frame: its number.
        evidence: standard deviations above normal.
        local_error: dB.
        rarity_hours: normal video shows as much once in so many hours.
        censored: whether it is rarer than that.
        box: the place; None if it is not known.
        zone: in which it lies, or None.
    """

    time: datetime | None
    seconds: float
    frame: int
    evidence: float
    local_error: float
    rarity_hours: float
    censored: bool
    box: Box | None
    zone: str | None


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """What an alarm was raised by.

    Attributes:
        evidence: the level that opens an alarm.
        alarms_per_hour: that were asked for at most.
        confidence: that there are no more; None for the mean.
        calibration_hours: of normal video behind it.
        profile: of the calibration, or None.
    """

    evidence: float
    alarms_per_hour: float
    confidence: float | None
    calibration_hours: float
    profile: str | None


@dataclass(frozen=True, kw_only=True)
class Files:
    """Paths inside the folder of the results, or None.

    Attributes:
        clip: a video of the event.
        thumbnail: a picture of its peak.
    """

    clip: str | None = None
    thumbnail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Model:
    """What scored the frames.

    Attributes:
        checkpoint_sha256: of the checkpoint.
        version: of this program.
    """

    checkpoint_sha256: str
    version: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened before a camera, or to it, as far as it is known.

    Attributes:
        version: of the format.
        id: the same in every state of the event; see `event_id`.
        type: whether it begins, goes on or is over.
        kind: what happened.
        camera: name of the camera or video.
        source: where its pictures come from; of a location with user, password or query these are left out.
        start, end: with zone; None where the source has no clock, `end` also while the event goes on.
        start_seconds, end_seconds: since the first frame of the source; `end_seconds` None while it goes on.
        peak: the strongest frame so far; None where no frame is scored.
        threshold: what the alarm was raised by; None where none was.
        frames: scored frames in it so far.
        max_gap_seconds: the longest time in it without a scored frame.
        interrupted: whether the program stopped in it.
        suppressed: whether nobody was told.
        label: what a person said of it.
        files: its clip and thumbnail.
        model: what scored it.

    Raises:
        ValueError: one line about what cannot be.
    """

    version: int = VERSION
    id: str
    type: Type
    kind: Kind
    camera: str
    source: str
    start: datetime | None
    end: datetime | None
    start_seconds: float
    end_seconds: float | None
    peak: Peak | None
    threshold: Threshold | None
    frames: int
    max_gap_seconds: float
    interrupted: bool = False
    suppressed: bool = False
    label: Label | None = None
    files: Files = Files()
    model: Model

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", shown(self.source))
        check(self.record())
        _check_order(self)
        _check_place(self.peak)

    def record(self) -> dict[str, Any]:
        """As a value of JSON that fits the schema."""
        record: dict[str, Any] = _json_value(dataclasses.asdict(self))
        return record


def event_id(video: str, calibration: str, kind: Kind, start: float | datetime) -> str:
    """The id of an event, which a repeated run gives again: 16 hexadecimal digits.

    Args:
        video: what tells the video or camera from others, such as a digest or a location.
        calibration: the digest of the calibration; empty without one.
        kind: of the event.
        start: seconds since the first frame of a file, to a millisecond; or the time, with zone.
    """
    when = start.timestamp() if isinstance(start, datetime) else start
    words = json.dumps([video, calibration, kind, isinstance(start, datetime), f"{when:.3f}"])
    return digest_of([words.encode()])[:16]


def to_json(event: Event) -> str:
    """The event as one line of JSON, without its end."""
    return json.dumps(event.record(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_json(data: bytes, where: str) -> Event:
    """The event of a JSON text.

    Args:
        data: UTF-8.
        where: the file, and the line, for the message.

    Raises:
        SourceError: one line: the text is not JSON, too long, or not an event.
    """
    try:
        record = parse_json(data, where, most=MOST_BYTES)
        check(record)
        return _event(record)
    except ValueError as error:
        reason = str(error).removeprefix(f"{where}: ")
        raise SourceError(
            f"{where}: not an event ({reason}); remove or mend it, or score the video again"
        ) from None


def _event(record: dict[str, Any]) -> Event:
    """Of a record that fits the schema."""
    peak, threshold = record["peak"], record["threshold"]
    return Event(
        **{
            **record,
            "start": _time(record["start"]),
            "end": _time(record["end"]),
            "peak": peak and Peak(**{**peak, "time": _time(peak["time"]), "box": _box(peak["box"])}),
            "threshold": threshold and Threshold(**threshold),
            "files": Files(**record["files"]),
            "model": Model(**record["model"]),
        }
    )


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(inner) for key, inner in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _box(numbers: Sequence[float] | None) -> Box | None:
    if numbers is None:
        return None
    left, top, width, height = numbers
    return left, top, width, height


def _check_order(event: Event) -> None:
    if (event.type == "end") != (event.end_seconds is not None):
        raise ValueError(
            f"found type {event.type!r} with end_seconds {event.end_seconds}, expected an end in `end` alone"
        )
    if event.end_seconds is not None and event.end_seconds < event.start_seconds:
        raise ValueError(f"found end_seconds {event.end_seconds} before start_seconds {event.start_seconds}")
    has_clock = event.start is not None
    if (event.end is not None) != (has_clock and event.type == "end"):
        raise ValueError(f"found start {event.start} with end {event.end} in an event of type {event.type!r}")
    if event.kind == "anomaly" and event.peak is None:
        raise ValueError("found an anomaly without a peak, expected one")
    if event.peak is not None and (event.peak.time is not None) != has_clock:
        raise ValueError(f"found start {event.start} with peak.time {event.peak.time}, expected both or none")


def _check_place(peak: Peak | None) -> None:
    if peak is not None and peak.box is not None:
        left, top, width, height = peak.box
        if max(left + width, top + height) > 1 + _ROUNDING:
            raise ValueError(f"found peak.box {peak.box}, expected one inside the picture")
