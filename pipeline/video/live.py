"""Live video, as it comes from a camera: packets to keep, and the frames in them.

    with connected(url, "yard") as stream:
        for packet, frames in stream:
            ...

FFmpeg names locations in what it says, with user and password: neither its log nor its errors pass through
here, but for the reason of an error, which has none.
"""

import contextlib
import io
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.logging
import numpy as np
from av.container import InputContainer, OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from pipeline.errors import SourceError
from pipeline.video.imageheaders import LARGEST_PIXELS
from pipeline.video.pyav_files import DEMUXERS, video_tracks
from pipeline.video.pyav_frames import picture_of
from pipeline.video.remux import container_suffix
from shards.locations import is_uri

_OPEN_SECONDS, _READ_SECONDS = 10.0, 5.0
"""Seconds in which a camera must answer, and in which it must send its next packet. A stall is noticed after
the latter."""
_SILENT = "it sent nothing for seconds"
"""Why a connection ends that FFmpeg was told not to wait for any longer."""
_PROBE_MICROSECONDS = 1_000_000
"""Microseconds for which FFmpeg looks at a stream before its first frame; by default, it does so for five
seconds."""
_BOUND = {"max_pixels": str(LARGEST_PIXELS)}
"""The option of decoders that refuses larger pictures before memory is taken for one: they run in `watch`
itself."""
_NO_TIMES = 0x80
"""FFmpeg's flag of containers that hold no times (`AVFMT_NOTIMESTAMPS`), such as JPEGs over HTTP: it stamps
their frames 1/25 s apart, whenever they come."""
_DEVICE = re.compile(r"/dev/video\d+")
_PROTOCOLS = {"rtsp": "rtp,tcp", "rtsps": "rtp,tcp,tls", "http": "http,tcp", "https": "https,http,tls,tcp"}
"""What FFmpeg may open, by the scheme of the location."""


class DroppedError(Exception):
    """The camera cannot be reached, or sends no more. One line without a location."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the packets of one connection are coded: what a clip of them is made with.

    Attributes:
        template: a stream like theirs, which outlives the connection.
        holder: what the template belongs to.
        unit: seconds per tick of their times.
        suffix, container: of a file that holds them, and how FFmpeg names its kind.
        rate: frames per second, about; None where nobody knows.
        has_times: whether times come with the packets; else those that they have are made up.
    """

    template: VideoStream
    holder: OutputContainer
    unit: Fraction
    suffix: str
    container: str
    rate: Fraction | None
    has_times: bool = True


@dataclass(frozen=True, kw_only=True)
class LivePacket:
    """What a camera sent.

    Attributes:
        data: of it.
        shown, decoded: its times in ticks of the form; None where the camera gives none.
        is_key: whether decoding can begin with it.
        arrived: when it came, on the clock of this process.
    """

    data: bytes
    shown: int | None
    decoded: int | None
    is_key: bool
    arrived: float = 0.0


class LiveFrame:
    """A frame that was decoded, whose pixels are made when they are asked for."""

    def __init__(
        self, frame: VideoFrame, unit: Fraction, *, is_corrupt: bool, reformatter: VideoReformatter
    ) -> None:
        self._frame, self._reformatter = frame, reformatter
        self.seconds = None if frame.pts is None else float(frame.pts * unit)
        """On the camera's own clock; None where it gives no time."""
        self.is_corrupt = is_corrupt or frame.is_corrupt
        """Whether it was decoded from damaged data, or something before it was lost."""
        self.size = frame.height, frame.width

    def picture(self, name: str) -> np.ndarray:
        """uint8 (H, W, 3) BGR, upright.

        Raises:
            SourceError: its pixels are of a kind that is not defined.
        """
        return picture_of(self._frame, self._reformatter, name)


class LiveStream:
    """A connection; see `connected`."""

    def __init__(self, container: InputContainer, name: str) -> None:
        self._container = container
        self._stream = video_tracks(container, name)[0]
        _refuse_large(self._stream.width, self._stream.height)
        self._stream.codec_context.thread_count = 1
        self._stream.codec_context.options.update(_BOUND)
        self._reformatter = VideoReformatter()
        has_times = not container.format.flags & _NO_TIMES
        self.form = _form(self._stream, name, has_times=has_times)

    def packets(self) -> Iterator[LivePacket]:
        """Each packet as it comes, in place of iterating; none is decoded.

        Raises:
            DroppedError: none comes any more.
        """
        try:
            for packet in self._demuxed():
                if packet.size:
                    yield _kept(packet)
        except (av.FFmpegError, OSError) as error:
            raise DroppedError(_reason(error)) from None
        raise DroppedError("the stream ended")

    def __iter__(self) -> Iterator[tuple[LivePacket | None, list[LiveFrame]]]:
        """Each packet with the frames that it completes, as they come; at the end those without a packet.

        Raises:
            DroppedError: none comes any more.
        """
        is_corrupt, context = False, self._stream.codec_context
        try:
            for packet in self._demuxed():
                is_corrupt |= packet.is_corrupt
                had_size = context.width > 0
                frames: list[VideoFrame] = []
                try:
                    frames = packet.decode()
                except av.FFmpegError as error:
                    is_corrupt = True
                    # A decoder that refuses a size does not open, or has none from there on. Before the first
                    # key frame it is open and has none either, which is another error.
                    lost = not context.width and (had_size or isinstance(error, av.ArgumentError))
                    if lost or not context.is_open:
                        raise DroppedError(
                            f"it sent what no decoder takes, expected at most {LARGEST_PIXELS} pixels a frame"
                        ) from None
                _refuse_large(context.width, context.height)
                found = []
                for frame in frames:
                    _refuse_large(frame.width, frame.height)
                    found.append(
                        LiveFrame(frame, self.form.unit, is_corrupt=is_corrupt, reformatter=self._reformatter)
                    )
                    is_corrupt = False
                yield _kept(packet) if packet.size else None, found
        except (av.FFmpegError, OSError) as error:
            raise DroppedError(_reason(error)) from None
        raise DroppedError("the stream ended")

    def _demuxed(self) -> Iterator["av.Packet[VideoStream]"]:
        """Packets as they come. When none does for too long, FFmpeg gives the one it holds and waits anew."""
        packets = self._container.demux(self._stream)
        while True:
            asked = time.monotonic()
            packet = next(packets, None)
            if packet is None:
                return
            is_late = time.monotonic() - asked >= _READ_SECONDS
            yield packet
            if is_late:
                raise DroppedError(_SILENT)


def is_live(location: str) -> bool:
    """Whether it is that of a camera: its end is a drop, and what was not looked at in time is lost."""
    return is_uri(location) or _DEVICE.fullmatch(location) is not None


@contextlib.contextmanager
def connected(location: str, name: str) -> Iterator[LiveStream]:
    """A connection to a camera.

    Args:
        location: `rtsp[s]://`, `http[s]://` or `/dev/videoN`.
        name: of the camera, for messages.

    Raises:
        DroppedError: it cannot be reached, or sends no video that can be decoded.
    """
    with contextlib.ExitStack() as stack:
        try:
            container = stack.enter_context(_opened(location))
            stream = LiveStream(container, name)
            stack.callback(stream.form.holder.close)
        except (av.FFmpegError, OSError) as error:
            raise DroppedError(_reason(error)) from None
        except SourceError as error:
            raise DroppedError(str(error).partition(";")[0].removeprefix(f"{name}: ")) from None
        yield stream


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """Within the block nothing that FFmpeg says is heard, for it names locations with their passwords."""
    before = av.logging.get_level()
    av.logging.set_level(None)
    try:
        yield
    finally:
        av.logging.set_level(before)


def _opened(location: str) -> InputContainer:
    if _DEVICE.fullmatch(location):
        return av.open(location, format="v4l2", timeout=(_OPEN_SECONDS, _READ_SECONDS))
    scheme = location.partition(":")[0].lower()
    if scheme not in _PROTOCOLS:
        raise DroppedError(f"found {scheme}://, expected one of {', '.join(_PROTOCOLS)}")
    options = {
        "protocol_whitelist": _PROTOCOLS[scheme],
        "format_whitelist": ",".join((*DEMUXERS, "rtsp")),
        "analyzeduration": str(_PROBE_MICROSECONDS),
        **_BOUND,
    }
    if scheme.startswith("rtsp"):
        options["rtsp_transport"] = "tcp"
    return av.open(
        location, options=options, metadata_errors="replace", timeout=(_OPEN_SECONDS, _READ_SECONDS)
    )


def _form(stream: VideoStream, name: str, *, has_times: bool) -> Form:
    suffix, container = container_suffix(stream.codec_context.name, name)
    holder = av.open(io.BytesIO(), "w", format=container)
    assert stream.time_base is not None
    rate = (stream.average_rate or stream.guessed_rate) if has_times else None
    return Form(
        template=holder.add_stream_from_template(stream, opaque=True),
        holder=holder,
        unit=stream.time_base,
        suffix=suffix,
        container=container,
        rate=rate if rate else None,
        has_times=has_times,
    )


def _refuse_large(width: int, height: int) -> None:
    if width * height > LARGEST_PIXELS:
        raise DroppedError(
            f"it sent frames of {width}x{height} (width x height), expected at most {LARGEST_PIXELS} pixels"
        )


def _kept(packet: "av.Packet[VideoStream]") -> LivePacket:
    return LivePacket(
        data=bytes(packet),
        shown=packet.pts,
        decoded=packet.dts,
        is_key=packet.is_keyframe,
        arrived=time.monotonic(),
    )


def _reason(error: Any) -> str:
    if isinstance(error, av.ExitError):
        return _SILENT
    return str(error.strerror or type(error).__name__)
