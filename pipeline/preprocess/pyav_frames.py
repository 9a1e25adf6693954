"""The owner of PyAV: what a container holds, found without decoding, and frames of irregular files."""

import dataclasses
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np
from av.video.reformatter import VideoReformatter

from pipeline.errors import SourceError

av.logging.set_level(av.logging.ERROR)

_DEMUXERS = (
    *("amv", "asf", "asf_o", "av1", "avi", "cavsvideo", "dhav", "dirac", "dv", "flv", "gxf", "h261", "h263"),
    *("h264", "hevc", "ivf", "live_flv", "m4v", "matroska", "mjpeg", "mjpeg_2000", "mov", "mpeg", "mpegts"),
    *("mpegvideo", "mpjpeg", "mxf", "nut", "obu", "ogg", "rm", "smjpeg", "vc1", "vc1test", "vvc", "wtv"),
    "yuv4mpegpipe",
)
_RESTRICTIONS = {"format_whitelist": ",".join(_DEMUXERS), "protocol_whitelist": "file"}
"""Containers that hold their frames themselves, read from files. Playlists and patterns (concat, hls, dash,
image2, …) open what else they name, whatever the file is called."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What demuxing a video file tells.

    Attributes:
        container, codec: as FFmpeg names them.
        height, width: of the coded pictures, pixels.
        bits: per channel.
        rate: frames per second by the header.
        frames_header: frames by the header, 0 if it does not say.
        packets: of the video stream.
        even: whether all frames last equally long.
        discarded: packets that an edit list takes out.
        corrupt: packets that the demuxer found damaged.
        complaints: what the demuxer said of the file's structure.
    """

    container: str
    codec: str
    height: int
    width: int
    bits: int
    rate: float
    frames_header: int
    packets: int
    even: bool
    discarded: int
    corrupt: int
    complaints: tuple[str, ...]

    @property
    def irregularities(self) -> list[str]:
        """Why the file needs a decoder that looks closely; empty for a regular file."""
        found = {
            f"{self.frames_header} frames by header, {self.packets} packets": self.frames_header
            not in (0, self.packets),
            "an edit list": self.discarded > 0,
            "uneven timestamps": not self.even,
            f"{self.bits} bits per channel": self.bits > 8,
            f"{self.corrupt} corrupt packets": self.corrupt > 0,
            "; ".join(self.complaints): bool(self.complaints),
        }
        return [reason for reason, is_so in found.items() if is_so]

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        record = dataclasses.asdict(self)
        return {**record, "complaints": list(self.complaints)}


def audit(path: Path, name: str, beat: Callable[[int, int], None]) -> Audit:
    """Read through a video file without decoding it.

    Args:
        path: of the file.
        name: of the file, for messages.
        beat: called now and then.

    Raises:
        SourceError: it is not a video file, or one without frames.
    """
    with av.logging.Capture(local=False) as logs:
        try:
            with _opened(path, name) as container:
                stream = _video_stream(container, name)
                times = array("q")
                packets = discarded = corrupt = 0
                try:
                    for packet in container.demux(stream):
                        if packet.size:
                            packets += 1
                            discarded += packet.is_discard
                            corrupt += packet.is_corrupt
                            if packet.pts is not None:
                                times.append(packet.pts)
                            if packets % 1000 == 0:
                                beat(0, 0)
                except av.FFmpegError as error:
                    corrupt += 1
                    logs.append((av.logging.ERROR, container.format.name, str(error.strerror)))
                if not packets:
                    raise SourceError(f"{name}: the video stream holds no frames; remove the file")
                context = stream.codec_context
                return Audit(
                    container=container.format.name,
                    codec=context.name,
                    height=context.height,
                    width=context.width,
                    bits=max(part.bits for part in context.format.components) if context.format else 8,
                    rate=float(stream.average_rate or 0),
                    frames_header=stream.frames,
                    packets=packets,
                    even=_is_even(times),
                    discarded=discarded,
                    corrupt=corrupt,
                    complaints=tuple(
                        dict.fromkeys(
                            text.strip() for _, origin, text in logs if origin == container.format.name
                        )
                    ),
                )
        except av.FFmpegError as error:
            raise SourceError(f"{name}: {error.strerror}") from error


def check(path: Path, name: str) -> None:
    """Open a video file and look for its video stream.

    Raises:
        SourceError: it is not a video file, or one without a video stream.
    """
    with av.logging.Capture(local=False), _opened(path, name) as container:
        _video_stream(container, name)


def _opened(path: Path, name: str) -> av.container.InputContainer:
    try:
        return av.open(str(path), metadata_errors="replace", options=_RESTRICTIONS)
    except (av.FFmpegError, OSError) as error:
        size = path.stat().st_size
        raise SourceError(
            f"{name}: found {size} bytes that are no video file FFmpeg reads, or a playlist, picture or "
            f"sound ({error.strerror}); mend or remove it, or leave it out with --on-error skip"
        ) from error


def _video_stream(container: av.container.InputContainer, name: str) -> av.VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no"
    raise SourceError(f"{name}: found {kinds} streams, expected video; remove the file")


def _is_even(times: "array[int]") -> bool:
    """Whether sorted times lie equally far apart, to a tick of rounding."""
    steps = np.diff(np.sort(np.frombuffer(times, np.int64))) if times else np.zeros(0, np.int64)
    return bool(steps.size == 0 or steps.max() - steps.min() <= 1)


@dataclass(kw_only=True)
class Damage:
    """What decoding found, filled while frames are drawn.

    Attributes:
        frames: frames that were decoded from damaged data.
        lost: packets that gave no frame because they could not be decoded.
        first: number of the first frame affected, or None.
    """

    frames: int = 0
    lost: int = 0
    first: int | None = field(default=None)


def frames(path: Path, name: str, damage: Damage) -> Iterator[np.ndarray]:
    """Every frame once, in order, uint8 (H, W, 3) BGR, turned as its rotation flag says.

    Args:
        path: of the file.
        name: of the file, for messages.
        damage: is told what is damaged.

    Raises:
        SourceError: it is not a video file.
    """
    reformatter = VideoReformatter()
    number = 0
    with av.logging.Capture(local=False), _opened(path, name) as container:
        stream = _video_stream(container, name)
        # With several threads, FFmpeg does not carry the mark of damaged H.264 slices over to the frame.
        stream.thread_count = 1
        for packet in _packets(container, stream):
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                damage.lost += 1
                damage.first = number if damage.first is None else damage.first
                continue
            for frame in decoded:
                if frame.is_corrupt:
                    damage.frames += 1
                    damage.first = number if damage.first is None else damage.first
                number += 1
                picture = reformatter.reformat(frame, format="bgr24", threads=1).to_ndarray()
                turns = round(frame.rotation / 90) % 4
                yield np.rot90(picture, turns) if turns else picture


def _packets(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[Any]:
    """The packets up to where the container cannot be read on, then the one that flushes the decoder."""
    try:
        yield from container.demux(stream)
    except av.FFmpegError:
        yield av.Packet()
