"""Clips of video files: packets copied as they are, without decoding and encoding them again."""

import io
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.logging
from av.container import InputContainer
from av.video.stream import VideoStream

from pipeline.errors import SourceError
from pipeline.video.pyav_files import UNSTAMPED, opened, video_tracks
from pipeline.video.pyav_frames import Findings, stamped
from shards.storage import Storage

_CONTAINERS = {".mp4": "mp4", ".mkv": "matroska"}
"""The containers by suffix, as FFmpeg names them: browsers play the first, nearly every codec goes into the
second."""
_MOST_WAITING = 32
"""Packets that may lack a time of decoding one after another; H.264 and HEVC put off at most 16 pictures."""
_BACK_SECONDS = (0, 10, 60)
"""How many seconds before the start a key frame is looked for, one after the other, before the file is read
from its beginning: a seek in MPEG-TS leads to any frame."""
_ROUNDING = Fraction(1, 1000)
"""The share of a tick by which moments given in floating point may fall short of it."""

Packet: TypeAlias = "av.Packet[Any]"


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A piece of a video file.

    Attributes:
        name: of its file.
        start, end: when its first and its last frame are shown, seconds since the first frame of the source.
    """

    name: str
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """Where a clip begins and ends, in ticks of the file's own clock.

    Attributes:
        unit: seconds per tick.
        zero: when the first frame of the file is shown.
        start, end: of what has to be shown.
    """

    unit: Fraction
    zero: int
    start: int
    end: int


def clip(path: Path, name: str, span: tuple[float, float], out: Storage, stem: str) -> Clip:
    """Copy what is shown from `span[0]` to `span[1]` into a file of its own, without sound.

    It begins with the last key frame up to the start. A few frames after the end may follow, to which others
    refer. The file appears when it is whole; memory does not grow with its length.

    Args:
        path: of the source.
        name: of the source, for messages.
        span: seconds since the first frame of the source; may reach beyond both of its ends.
        out: where the clip goes.
        stem: its name in there without the suffix, which is `.mp4`, or `.mkv` if no MP4 holds the codec.

    Raises:
        SourceError: it is not a video file, nothing is shown then, or its packets cannot be copied.
        StorageError: the clip cannot be written.
    """
    with av.logging.Capture(local=False):
        cut = _cut(path, name, span)
        try:
            key, place = _key_frame(path, name, cut)
            return _copied(path, name, cut, key, place, out, stem)
        except av.FFmpegError as error:
            raise _refused(name, str(error.strerror)) from error


def _cut(path: Path, name: str, span: tuple[float, float]) -> _Cut:
    with opened(path, name) as source:
        unit = video_tracks(source, name)[0].time_base
    first = next((stamp for stamp, _ in stamped(path, name, Findings())), None)
    if first is None or unit is None:
        raise _refused(name, "its first frame has no timestamp")
    start, end = (floor((first + max(Fraction(0), Fraction(moment))) / unit + _ROUNDING) for moment in span)
    return _Cut(unit=unit, zero=round(first / unit), start=start, end=end)


def _key_frame(path: Path, name: str, cut: _Cut) -> tuple[int, int | None]:
    """The timestamp of the last key frame up to the start, or of the first one if there is none; and where to
    seek to come upon it, None for the beginning of the file."""
    for place in (*(cut.start - round(back / cut.unit) for back in _BACK_SECONDS), None):
        key: int | None = None
        with opened(path, name) as source:
            if (
                place is not None and source.format.name in UNSTAMPED
            ):  # what is made up depends on where one begins
                continue
            for packet in _packets(source, video_tracks(source, name)[0], place):
                if packet.is_keyframe and packet.pts is not None:
                    is_first = key is None and place is None
                    key = packet.pts if is_first or packet.pts <= cut.start else key
                if (
                    packet.dts is not None
                    and packet.dts > cut.start
                    and (key is not None or place is not None)
                ):
                    break
        if key is not None:
            return key, place
    raise _refused(name, "none of its key frames has a timestamp")


def _packets(source: InputContainer, stream: VideoStream, place: int | None) -> Iterator[Packet]:
    """The packets of a track from its beginning, or from about a timestamp if the container can be sought."""
    if place is not None:
        try:
            source.seek(place, stream=stream)
        except av.FFmpegError:
            return
    yield from (packet for packet in source.demux(stream) if packet.size)


def _copied(path: Path, name: str, cut: _Cut, key: int, place: int | None, out: Storage, stem: str) -> Clip:
    with opened(path, name) as source:
        stream = video_tracks(source, name)[0]
        suffix, form = container_suffix(stream.codec_context.name, name)
        step = _step(stream, cut.unit)
        packets = _packets(source, stream, place)
        from_key = itertools.dropwhile(lambda packet: not (packet.is_keyframe and packet.pts == key), packets)
        last: int | None = None
        with (
            out.writing(stem + suffix) as file,
            av.open(file, "w", format=form) as target,
        ):
            copy = target.add_stream_from_template(stream, opaque=True)
            copy.time_base = cut.unit
            for packet, shown, decoded in timed_packets(from_key, name, step):
                if decoded > cut.end:
                    break
                if shown < key:  # before the key frame, and decoded with what lies before it
                    continue
                last = max(shown, key if last is None else last)
                packet.pts, packet.dts = shown - key, decoded - key
                packet.stream = copy
                target.mux(packet)
            if last is None or last + step < cut.start:
                raise _refused(name, "no frame is shown then")
        start, end = (float((ticks - cut.zero) * cut.unit) for ticks in (key, last))
        return Clip(name=stem + suffix, start=start, end=end)


def container_suffix(codec: str, name: str) -> tuple[str, str]:
    """Suffix and name of the first container that holds a codec.

    Raises:
        SourceError: none does.
    """
    for suffix, form in _CONTAINERS.items():
        with av.open(io.BytesIO(), "w", format=form) as trial:
            if codec in trial.supported_codecs:
                return suffix, form
    raise _refused(name, f"neither MP4 nor Matroska holds {codec}")


def _step(stream: VideoStream, unit: Fraction) -> int:
    """How long a frame lasts, in ticks."""
    rate = stream.average_rate or stream.guessed_rate
    return max(1, round(1 / (rate * unit))) if rate else 1


def timed_packets(packets: Iterable[Packet], name: str, step: int) -> Iterator[tuple[Packet, int, int]]:
    """Packets with their times of showing and of decoding, in ticks.

    Matroska leaves out the times of decoding of the first few behind each seek.
    """
    waiting: list[tuple[Packet, int]] = []
    for packet in packets:
        if packet.pts is None:
            raise _refused(name, "found a packet without a timestamp")
        waiting.append((packet, packet.pts))
        if packet.dts is not None or len(waiting) > _MOST_WAITING:
            yield from _filled(waiting, packet.dts, step)
            waiting = []
    yield from _filled(waiting, None, step)


def _filled(
    packets: list[tuple[Packet, int]], last: int | None, step: int
) -> Iterator[tuple[Packet, int, int]]:
    """The same with times of decoding that end with `last`; if it is not known, before all are shown."""
    last = min((shown for _, shown in packets), default=0) if last is None else last
    for index, (packet, shown) in enumerate(packets, start=1):
        yield packet, shown, last - (len(packets) - index) * step


def _refused(name: str, reason: str) -> SourceError:
    return SourceError(f"{name}: no clip can be copied out of it: {reason}; convert it to have clips")
