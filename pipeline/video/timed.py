"""Frames of a video file with the times at which they are shown, and how many of them a model takes."""

import contextlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.logging
import numpy as np

from pipeline.errors import ConfigError
from pipeline.video.pyav_files import TIMELESS, header_rate, is_interlaced, opened, video_tracks
from pipeline.video.pyav_frames import Findings, stamped
from pipeline.video.steps import LOOKED_AT, rate_of_file

USUAL_RATE = Fraction(25)
"""Frames per second of a file that does not say."""
_REORDERED = 32
"""Packets after those of the first frames, of which frames that are shown before may still come. No more are
read, for that is done with thousands of files before the first is scored."""
RATE_TOLERANCE = Fraction(1, 10)
"""The share by which the rate of scored frames may differ from the one that was trained on."""
NO_RATE = "its rate is not known, so no alarm can be raised"
"""What is said of video whose frames come at a rate that nobody knows: it is held against no calibration."""


@dataclass(frozen=True, kw_only=True)
class TimedFrame:
    """A frame and when it is shown.

    Attributes:
        number: of the frame in the file, from 0.
        seconds: since the first frame of the file; more than those of the frame before.
        picture: uint8 (H, W, 3) BGR, upright.
        is_corrupt: whether it, or something since the frame before, was decoded from damaged data or lost.
        small: the picture at the size of the model, where whoever decoded it has resized it, too.
    """

    number: int
    seconds: float
    picture: np.ndarray
    is_corrupt: bool
    small: np.ndarray | None = None


def timed_frames(
    path: Path, name: str, findings: Findings | None = None, given: float | None = None
) -> Iterator[TimedFrame]:
    """Every frame of a video file once, in order, as `pyav_frames.frames` gives them.

    A frame without a timestamp, or with one that does not lie behind the frame before, is shown one frame
    later than that. Memory does not grow with the length of the file.

    Args:
        path: of the file.
        name: of the file, for messages.
        findings: is told what is damaged.
        given: frames per second of a file that does not say.

    Raises:
        SourceError: it is not a video file, or its pixels are of a kind that is not defined.
    """
    with av.logging.Capture(local=False):  # what FFmpeg says of a damaged file is counted in the findings
        yield from _timed(path, name, Findings() if findings is None else findings, given)


def _timed(path: Path, name: str, findings: Findings, given: float | None) -> Iterator[TimedFrame]:
    step = 1 / (rate(path, name) or (USUAL_RATE if given is None else Fraction(given)))
    previous: Fraction | None = None
    zero: Fraction | None = None
    harmed = 0
    for number, (stamp, picture) in enumerate(stamped(path, name, findings)):
        seconds = Fraction(0) if previous is None else previous + step
        if stamp is not None:
            zero = stamp - seconds if zero is None else zero
            if previous is None or stamp - zero > previous:
                seconds = stamp - zero
        previous = seconds
        before, harmed = harmed, findings.damaged + findings.lost
        yield TimedFrame(number=number, seconds=float(seconds), picture=picture, is_corrupt=harmed > before)


def rate(path: Path, name: str) -> Fraction | None:
    """Frames per second of a file; None if it does not say, or says what cannot be.

    It is the rate by its header, unless its first frames come evenly at another one, see `rate_of_file`.

    Raises:
        SourceError: it is not a video file.
    """
    with av.logging.Capture(local=False), opened(path, name) as container:
        stream = video_tracks(container, name)[0]
        header, unit, fields = header_rate(container, stream), stream.time_base, is_interlaced(stream)
        is_stamped = container.format.name not in TIMELESS
        times = _first_times(container, stream) if is_stamped else np.array([], np.int64)
        return rate_of_file(times, unit, header, fields=fields)


def _first_times(container: av.container.InputContainer, stream: av.VideoStream) -> np.ndarray:
    """Ticks at which the first frames of a track are shown, int64 (N,), ascending."""
    times: list[int] = []
    packets = itertools.islice(container.demux(stream), LOOKED_AT + _REORDERED)
    with contextlib.suppress(av.FFmpegError):  # what was read until then tells enough
        times += (packet.pts for packet in packets if packet.pts is not None)
    return np.sort(np.array(times, np.int64))[:LOOKED_AT]


def every(rate_of_file: float | Fraction, rate_of_model: float | Fraction, name: str) -> int:
    """Of how many frames of a file one is scored, so that their rate is nearest to that of the model.

    Args:
        rate_of_file: frames per second of the file.
        rate_of_model: frames per second of the video that the model was trained on.
        name: of the file, for the message.

    Raises:
        ConfigError: the nearest lies more than 10 % off; names both.
    """
    ratio = Fraction(rate_of_file) / Fraction(rate_of_model)
    low = max(1, int(ratio))
    stride = min((low, low + 1), key=lambda count: abs(ratio / count - 1))
    if abs(ratio / stride - 1) > RATE_TOLERANCE:
        found = f"{float(rate_of_file):g} frames/s"
        nearest = f", of which one in {stride} gives {float(rate_of_file) / stride:.4g}" if stride > 1 else ""
        raise ConfigError(
            f"{name}: found {found}{nearest}, expected the {float(rate_of_model):g} frames/s that the "
            "checkpoint was trained on, within 10 %; convert the file, train on video of this rate, or score "
            "without a calibration with --any-rate"
        )
    return stride


def thinned(frames: Iterable[TimedFrame], stride: int) -> Iterator[TimedFrame]:
    """Every `stride`-th frame; it is corrupt if one since the last of them was."""
    is_corrupt = False
    for frame in frames:
        is_corrupt |= frame.is_corrupt
        if frame.number % stride == 0:
            yield replace(frame, is_corrupt=is_corrupt)
            is_corrupt = False
