"""Frames of every video file, by PyAV: what a frame is, which decides what is stored."""

import itertools
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.reformatter import VideoReformatter

from pipeline.errors import SourceError
from pipeline.video.audit import Demuxed, demuxed, shortened
from pipeline.video.naming import ELEMENTARY
from pipeline.video.orientation import UPRIGHT, Orientation, orientation

_SIZE_HEADERS = {
    "mpeg1video": re.compile(rb"\x00\x00\x01\xb3(...)", re.DOTALL),  # 12 bits each of width and height
    "mpeg2video": re.compile(rb"\x00\x00\x01\xb3(...)", re.DOTALL),
    "mpeg4": re.compile(rb"\x00\x00\x01[\x20-\x2f](.*?)\x00\x00\x01", re.DOTALL),  # somewhere in all of it
}
"""The pattern, by codec, of the place where a packet says what size the pictures from there on have."""
_DAMAGE = re.compile("CRC mismatch|overread")
"""What decoders say of frames that they don't mark: FFV1 of a wrong checksum, MJPEG of a picture cut off."""


def _unlisted(cls: type[Type], value: int) -> Type:
    """PyAV lists fewer kinds of side data than FFmpeg has: one that it does not know, such as Exif tags, made
    all side data of a frame unreadable, the display matrix with it."""
    kind = object.__new__(cls)
    kind._name_, kind._value_ = f"KIND_{value}", value  # type: ignore[assignment]
    return kind


Type._missing_ = classmethod(_unlisted)  # type: ignore[assignment]


@dataclass(kw_only=True)
class Findings:
    """What decoding found, filled while frames are drawn.

    Attributes:
        damaged: frames that were decoded from damaged data.
        lost: packets that gave no frame because they, or what they refer to, could not be decoded.
        first: number of the first frame affected, or None.
        interlaced: frames that hold two fields.
        errors: that the decoder spoke of, also where it passed every frame as sound.
        error: the first of them.
        complaints: what the demuxer said of the file's structure, as of one that is cut off; each once.
    """

    damaged: int = 0
    lost: int = 0
    first: int | None = None
    interlaced: int = 0
    errors: int = 0
    error: str = ""
    complaints: list[str] = field(default_factory=list)

    def add(self, other: "Findings") -> None:
        """Take in what was found in another file."""
        self.first = other.first if self.first is None else self.first
        self.error = self.error or other.error
        for name in ("damaged", "lost", "interlaced", "errors"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.complain(other.complaints)

    def complain(self, complaints: Iterable[str]) -> None:
        """Take in what a demuxer said."""
        self.complaints += [each for each in dict.fromkeys(complaints) if each not in self.complaints]

    def facts(self) -> dict[str, Any]:
        """For the manifest, which has the complaints from the audit of the file."""
        return {
            "damaged_frames": self.damaged,
            "lost_packets": self.lost,
            "first_damaged": self.first,
            "interlaced_frames": self.interlaced,
            "decoder_errors": self.errors,
            "first_decoder_error": self.error,
        }


def frames(path: Path, name: str, findings: Findings) -> Iterator[np.ndarray]:
    """Every frame once, in order, uint8 (H, W, 3) BGR, turned and mirrored as its display matrix says.

    Args:
        path: of the file.
        name: of the file, for messages.
        findings: is told what is damaged or interlaced.

    Raises:
        SourceError: it is not a video file, or its pixels are of a kind that is not defined.
    """
    return (picture for _, picture, _ in _pictures(path, name, findings))


def stamped(path: Path, name: str, findings: Findings) -> Iterator[tuple[Fraction | None, np.ndarray]]:
    """Every frame as `frames` gives it, with its timestamp in seconds; None where the file gives it none."""
    for frame, picture, unit in _pictures(path, name, findings):
        yield None if frame.pts is None or unit is None else Fraction(frame.pts * unit), picture


def _pictures(
    path: Path, name: str, findings: Findings
) -> Iterator[tuple[av.VideoFrame, np.ndarray, Fraction | None]]:
    """Every frame as it was decoded, as `frames` gives it, and the unit of its timestamp in seconds."""
    with demuxed(path, name) as file:
        # Not the frame's own unit, which those that the decoder held back to the end do not have.
        unit = None if file.header.container in ELEMENTARY else file.stream.time_base
        for frame, picture in _shown(_decoded(file, file.packets(), findings), file.name):
            yield frame, picture, unit
        findings.complain(file.audit().complaints)


def groups(path: Path, name: str) -> list[int]:
    """Numbers of the packets that groups of pictures begin with; the first begins with the first packet."""
    with demuxed(path, name) as file:
        packets = enumerate(file.packets())
        return [number for number, packet in packets if packet.is_keyframe or number == 0]


def group_frames(
    path: Path, name: str, start: int, stop: int | None, findings: Findings
) -> Iterator[np.ndarray]:
    """Frames, as `frames` gives them, of the packets from `start` to `stop`.

    Those that are shown before the first key frame, and need the group before it, are left out.
    """
    with demuxed(path, name) as file:
        decoded = _decoded(file, itertools.islice(file.packets(), start, stop), findings)
        whole = itertools.dropwhile(lambda frame: not frame.key_frame, decoded)
        yield from (picture for _, picture in _shown(whole, name))


def frames_of(file: Demuxed, findings: Findings) -> Iterator[np.ndarray]:
    """Frames, as `frames` gives them, of a file that is open."""
    return (picture for _, picture in _shown(_decoded(file, file.packets(), findings), file.name))


def _shown(decoded: Iterable[av.VideoFrame], name: str) -> Iterator[tuple[av.VideoFrame, np.ndarray]]:
    reformatter = VideoReformatter()
    for frame in decoded:
        yield frame, picture_of(frame, reformatter, name)


class _Beginning:
    """Where a stream can be decoded from. A transport stream may begin anywhere: what is shown before its
    first key frame cannot be decoded, which is no damage."""

    _time: int | None = None

    def is_behind(self, packet: "av.Packet[Any]") -> bool:
        """Whether a packet, asked about in the order of the file, is shown from the first key frame on."""
        if self._time is None and packet.is_keyframe:
            self._time = packet.pts or 0
        return self._time is not None and (packet.pts is None or packet.pts >= self._time)


def _decoded(
    file: Demuxed, packets: Iterable["av.Packet[Any]"], findings: Findings
) -> Iterator[av.VideoFrame]:
    stream, logs = file.stream, file.logs
    # With several threads, FFmpeg does not carry the mark of damaged H.264 slices over to the frame.
    stream.thread_count = 1
    beginning = _Beginning()
    number = expected = 0
    for packet in _with_drains(packets, stream.codec_context.name):
        logs.clear()
        is_expected = packet is not None and beginning.is_behind(packet) and not packet.is_discard
        expected += is_expected
        try:
            decoded = stream.decode(packet)
            if packet is None:
                stream.codec_context.flush_buffers()
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):  # no fault of the packet
                raise
            findings.lost += 1
            findings.first = number if findings.first is None else findings.first
            continue
        is_corrupt = False
        if logs:
            messages = [text.strip() for _, origin, text in logs if origin == stream.codec_context.name]
            is_corrupt = any(_DAMAGE.search(text) for text in messages)
            if messages and is_expected:
                findings.errors += len(messages)
                findings.error = findings.error or shortened(messages[0])
        for frame in decoded:
            if frame.is_corrupt or is_corrupt:
                findings.damaged += 1
                findings.first = number if findings.first is None else findings.first
            findings.interlaced += frame.interlaced_frame
            number += 1
            yield frame
    if findings.errors:  # HEVC drops frames whose references are missing, and only says so
        findings.lost = max(findings.lost, expected - number)


def _with_drains(packets: Iterable["av.Packet[Any]"], codec: str) -> Iterator["av.Packet[Any] | None"]:
    """The packets, and None wherever the decoder has to give out what it still holds: at the end, and in MPEG
    before the pictures change size, where FFmpeg would drop the last one of the old size."""
    pattern = _SIZE_HEADERS.get(codec)
    size = b""
    for packet in packets:
        if pattern and (header := pattern.search(bytes(packet))):
            if size not in (b"", header[1]):
                yield None
            size = header[1]
        yield packet
    yield None


def picture_of(frame: av.VideoFrame, reformatter: VideoReformatter, name: str) -> np.ndarray:
    """A decoded frame as uint8 (H, W, 3) BGR, upright.

    Raises:
        SourceError: its pixels are of a kind that is not defined.
    """
    try:
        picture = reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray()
    except av.FFmpegError as error:
        raise SourceError(
            f"{name}: found {frame.format.name} pixels of colour space {frame.colorspace}, expected what "
            f"turns into BGR ({error.strerror}); convert the file, or leave it out with --on-error skip"
        ) from error
    return _orientation(frame).upright(picture)


def _orientation(frame: av.VideoFrame) -> Orientation:
    # Not by way of `frame.side_data`, which the frame and it keep each other alive with: 600 MB at 1920x1080.
    held = SideDataContainer(frame)  # type: ignore[call-arg]
    matrix = held.get(Type.DISPLAYMATRIX) if len(held) else None  # most frames hold nothing
    return orientation(struct.unpack("=9i", bytes(matrix))) if matrix else UPRIGHT
