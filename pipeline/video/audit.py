"""What a container holds, found in reading it through, decoded or not."""

import contextlib
import dataclasses
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np

from pipeline.errors import SourceError
from pipeline.processes.heartbeat import Heartbeat
from pipeline.video.endings import missing_end
from pipeline.video.pyav_files import (
    TIMELESS,
    expected_frames,
    header_rate,
    is_interlaced,
    opened,
    video_tracks,
)
from pipeline.video.steps import is_even, rate_of_file

_MOST_COMPLAINTS = 16
"""The most complaints that are kept; a demuxer finds a new one at every few bytes of rubbish."""
_LONGEST_COMPLAINT = 200
"""Characters; those of FFmpeg have up to 100, and what they quote of the file."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a video file says about itself before it is read through.

    Attributes:
        container, codec: as FFmpeg names them.
        track: index of the stream that is read.
        other_tracks: video streams that are not read, each with its index, codec and size.
        height, width: of the coded pictures, pixels.
        bits: per channel.
        rate: frames per second by the header, 0 if it does not say.
        fields: whether the header says that frames are interlaced.
        frames_header: frames by the header, 0 if it does not say.
    """

    container: str
    codec: str
    track: int
    other_tracks: tuple[str, ...]
    height: int
    width: int
    bits: int
    rate: float
    fields: bool
    frames_header: int


@dataclass(frozen=True, kw_only=True)
class Audit(Header):
    """What demuxing a video file tells. Its rate is that of the times of its frames, where these are even, or
    the first of them are, and come at another one than the header says; 0 where that cannot be.

    Attributes:
        rate_header: frames per second by the header, where that is not believed.
        packets: of the video stream; not always one per frame.
        even: whether all frames last equally long.
        discarded: packets that an edit list takes out.
        corrupt: packets that the demuxer found damaged.
        complaints: what the demuxer said of the file's structure, each once. Where it said more than a few,
            the last one tells how often it said others.
    """

    rate_header: float | None
    packets: int
    even: bool
    discarded: int
    corrupt: int
    complaints: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        record = dataclasses.asdict(self)
        if self.rate_header is None:
            del record["rate_header"]
        return {**record, "other_tracks": list(self.other_tracks), "complaints": list(self.complaints)}


class _Complaints:
    """What was said of a file: a few, and the number of the others."""

    def __init__(self) -> None:
        self._few: dict[str, None] = {}
        self._others = 0

    def add(self, text: str) -> None:
        """Take one that may have been said before."""
        text = shortened(text)
        if text in self._few or len(self._few) < _MOST_COMPLAINTS:
            self._few[text] = None
        else:
            self._others += 1

    def all(self) -> tuple[str, ...]:
        """For the manifest and for people."""
        return (*self._few, f"and {self._others} more") if self._others else tuple(self._few)


def shortened(text: str) -> str:
    """What FFmpeg said, without the end of a long text: it may quote any of the file."""
    text = text.strip()
    return text if len(text) <= _LONGEST_COMPLAINT else f"{text[:_LONGEST_COMPLAINT]}..."


class Demuxed:
    """An open video file that is read through once, whatever becomes of its packets.

    Args:
        container: that was opened.
        name: of the file, for messages.
        logs: what FFmpeg says, from before the file was opened on.

    Attributes:
        name: as given.
        stream: the video track that is read.
        header: of the file.
        expected: frames, about, 0 if the file does not say.
        logs: as given; of the container and of the decoder, from one packet that is drawn to the next.

    Raises:
        SourceError: there is no video track that can be decoded.
    """

    def __init__(
        self, container: av.container.InputContainer, name: str, logs: list[tuple[int, str, str]]
    ) -> None:
        self.name = name
        self.stream, *others = video_tracks(container, name)
        self.header = _header(container, self.stream, others)
        self.expected = expected_frames(container, self.stream)
        self.logs = logs
        self._path = Path(container.name)
        # While the file is open: FFmpeg frees a stream with its container, and others may lie there then.
        self._unit, self._rate = self.stream.time_base, header_rate(container, self.stream)
        self._drawn = container.demux(self.stream)
        self._times = array("q")
        self._packets = self._discarded = self._corrupt = 0
        self._last: tuple[int, int] | None = None
        self._complaints = _Complaints()
        self._hear()

    def packets(self) -> Iterator["av.Packet[Any]"]:
        """The packets up to where the container cannot be read on, without empty ones."""
        is_stamped = self.header.container not in TIMELESS
        try:
            for packet in self._drawn:
                if self.logs:
                    self._hear()
                if packet.size:
                    self._packets += 1
                    self._discarded += packet.is_discard
                    self._corrupt += packet.is_corrupt
                    self._last = None if packet.pos is None else (packet.pos, packet.size)
                    if is_stamped and packet.pts is not None:
                        self._times.append(packet.pts)
                    yield packet
                    self.logs.clear()  # of what its decoder said, which may have the container's name
        except av.FFmpegError as error:
            self._corrupt += 1
            self._hear()
            self._complaints.add(str(error.strerror))
        self._hear()
        if self._packets < self.header.frames_header or not self.header.frames_header:
            missing = missing_end(self._path, self.header.container, self._last)
            if missing is not None:
                self._complaints.add(missing)

    def _hear(self) -> None:
        for _, origin, text in self.logs:
            if origin == self.header.container:
                self._complaints.add(text)
        self.logs.clear()  # each is heard once

    def audit(self) -> Audit:
        """What was found, once the packets are drawn; the file may be closed by then."""
        times = np.array(self._times, np.int64)
        rate = rate_of_file(times, self._unit, self._rate, fields=self.header.fields)
        return Audit(
            **vars(self.header) | {"rate": float(rate or 0)},
            rate_header=None if self._rate in (None, rate) else float(self._rate or 0),
            packets=self._packets,
            even=is_even(times),
            discarded=self._discarded,
            corrupt=self._corrupt,
            complaints=self._complaints.all(),
        )


@contextlib.contextmanager
def demuxed(path: Path, name: str) -> Iterator[Demuxed]:
    """A video file, open to be read through.

    Args:
        path: of the file.
        name: of the file, for messages.

    Raises:
        SourceError: it is not a video file.
    """
    with av.logging.Capture(local=False) as logs, opened(path, name) as container:
        yield Demuxed(container, name, logs)


def audit(path: Path, name: str, heartbeat: Heartbeat) -> Audit:
    """Read through a video file without decoding it.

    Args:
        path: of the file.
        name: of the file, for messages.
        heartbeat: called now and then.

    Raises:
        SourceError: it is not a video file, or one without frames.
    """
    with demuxed(path, name) as file:
        for number, _ in enumerate(file.packets()):
            if number % 1000 == 0:
                heartbeat(0, 0)
        found = file.audit()
    refuse_empty(found, name)
    return found


def refuse_empty(found: Audit, name: str) -> None:
    """Refuse a file without packets.

    Raises:
        SourceError: it is one.
    """
    if not found.packets:
        raise SourceError(f"{name}: the video stream holds no frames; remove the file")


def _header(
    container: av.container.InputContainer, stream: av.VideoStream, others: list[av.VideoStream]
) -> Header:
    context = stream.codec_context
    return Header(
        container=container.format.name,
        codec=context.name,
        track=stream.index,
        other_tracks=tuple(
            f"stream {other.index} ({other.codec_context.name} {other.height}x{other.width})"
            for other in others
        ),
        height=context.height,
        width=context.width,
        bits=max(part.bits for part in context.format.components) if context.format else 8,
        rate=float(header_rate(container, stream) or 0),
        fields=is_interlaced(stream),
        frames_header=stream.frames,
    )
