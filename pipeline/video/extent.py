"""What a video file says about itself, and how far apart its key frames are; nothing is decoded."""

import contextlib
import itertools
import statistics
from dataclasses import dataclass
from pathlib import Path

import av
import av.logging

from pipeline.video.pyav_files import opened, video_tracks
from pipeline.video.timed import rate

_PACKETS = 1000
"""The most packets that are looked at for key frames."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Of a video file; None is what it does not say.

    Attributes:
        codec: its name.
        height, width: pixels.
        rate: frames per second.
        seconds: how long it is.
        frames: how many there are, or about as many.
    """

    codec: str
    height: int
    width: int
    rate: float | None
    seconds: float | None
    frames: int | None


def extent(path: Path, name: str) -> Extent:
    """Look into a video file.

    Args:
        path: of the file.
        name: of the file, for messages.

    Raises:
        SourceError: it is not a video file.
    """
    found = rate(path, name)
    per_second = None if found is None else float(found)
    with av.logging.Capture(local=False), opened(path, name) as container:
        stream = video_tracks(container, name)[0]
        seconds = None
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / av.time_base
        seconds = seconds if seconds is not None and seconds > 0 else None
        frames = stream.frames or None
        if frames is None and seconds is not None and per_second is not None:
            frames = round(seconds * per_second)
        return Extent(
            codec=stream.codec_context.name,
            height=stream.codec_context.height,
            width=stream.codec_context.width,
            rate=per_second,
            seconds=seconds,
            frames=frames,
        )


def key_seconds(path: Path, name: str) -> float | None:
    """Seconds between key frames, the median over the first thousand packets; None if there is but one.

    Raises:
        SourceError: it is not a video file.
    """
    times = []
    with av.logging.Capture(local=False), opened(path, name) as container:
        stream = video_tracks(container, name)[0]
        with contextlib.suppress(av.FFmpegError):  # what was read until then tells enough
            for packet in itertools.islice(container.demux(stream), _PACKETS):
                if packet.is_keyframe and packet.pts is not None and packet.time_base is not None:
                    times.append(float(packet.pts * packet.time_base))
    steps = [after - before for before, after in itertools.pairwise(times) if after > before]
    return statistics.median(steps) if steps else None
