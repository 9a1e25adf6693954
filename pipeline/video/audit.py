"""What a container holds, found without decoding."""

import dataclasses
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.logging
import numpy as np

from pipeline.errors import SourceError
from pipeline.processes.heartbeat import Heartbeat
from pipeline.video.pyav_files import opened, video_tracks

_PROGRESSIVE = (0, 1)
"""FFmpeg's orders of fields that are none: not known, and progressive."""
_GUESSED = ("mpeg",)
"""Containers that do not stamp every frame: FFmpeg fills in times, some of them twice."""


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What demuxing a video file tells.

    Attributes:
        container, codec: as FFmpeg names them.
        track: index of the stream that is read.
        other_tracks: video streams that are not read, each with its index, codec and size.
        height, width: of the coded pictures, pixels.
        bits: per channel.
        rate: frames per second by the header.
        fields: whether the header says that frames are interlaced.
        frames_header: frames by the header, 0 if it does not say.
        packets: of the video stream; not always one per frame.
        even: whether all frames last equally long.
        discarded: packets that an edit list takes out.
        corrupt: packets that the demuxer found damaged.
        complaints: what the demuxer said of the file's structure.
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
    packets: int
    even: bool
    discarded: int
    corrupt: int
    complaints: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """For the manifest."""
        record = dataclasses.asdict(self)
        return {**record, "other_tracks": list(self.other_tracks), "complaints": list(self.complaints)}


def audit(path: Path, name: str, heartbeat: Heartbeat) -> Audit:
    """Read through a video file without decoding it.

    Args:
        path: of the file.
        name: of the file, for messages.
        heartbeat: called now and then.

    Raises:
        SourceError: it is not a video file, or one without frames.
    """
    with av.logging.Capture(local=False) as logs:
        try:
            with opened(path, name) as container:
                stream, *others = video_tracks(container, name)
                times = array("q")
                packets = discarded = corrupt = 0
                try:
                    for packet in container.demux(stream):
                        if packet.size:
                            packets += 1
                            discarded += packet.is_discard
                            corrupt += packet.is_corrupt
                            if packet.pts is not None and container.format.name not in _GUESSED:
                                times.append(packet.pts)
                            if packets % 1000 == 0:
                                heartbeat(0, 0)
                except av.FFmpegError as error:
                    corrupt += 1
                    logs.append((av.logging.ERROR, container.format.name, str(error.strerror)))
                if not packets:
                    raise SourceError(f"{name}: the video stream holds no frames; remove the file")
                context = stream.codec_context
                return Audit(
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
                    rate=float(stream.average_rate or 0),
                    fields=context.field_order not in _PROGRESSIVE,
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


def _is_even(times: "array[int]") -> bool:
    """Whether sorted times lie equally far apart, to a tick of rounding."""
    steps = np.diff(np.sort(np.frombuffer(times, np.int64))) if times else np.zeros(0, np.int64)
    return bool(steps.size == 0 or steps.max() - steps.min() <= 1)
