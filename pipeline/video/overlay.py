"""The overlay of a scored video, an MP4 to look at; and the thumbnail of an event."""

import contextlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from pipeline.events.event import Box
from pipeline.video.drawing import Scale, Strip, annotated, composed
from pipeline.video.images import encode_jpeg
from shards.opencv import cv2
from shards.storage import Storage

_CODECS = (
    ("libx264", {"preset": "veryfast", "crf": "23"}),
    ("mpeg4", {"flags": "+qscale", "global_quality": "472"}),
)
"""The first that this FFmpeg has, with its options."""
_UNIT = 1000
"""Ticks per second of an overlay's clock."""
_MOST_MOMENTS = 20_000
_LEAST_SPAN = 10.0
"""Seconds that the strip shows from the start on; it grows with what there is to show."""
_BT709 = 1
"""Number of its primaries and its transfer function in H.273."""
_THUMBNAIL_SIDE = 480


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A frame and what its scores say.

    Attributes:
        frame: uint8 (H, W, 3) BGR.
        seconds: when it is shown.
        error_map: (h, w) float, dB; None if there is none.
        box: the most abnormal place; None if there is none.
        rarity_hours: how rare it is; None if it is not known.
        censored: whether it is rarer than that.
        alarm: whether an alarm is on.
    """

    frame: np.ndarray
    seconds: float
    error_map: np.ndarray | None
    box: Box | None
    rarity_hours: float | None
    censored: bool
    alarm: bool


class Overlay:
    """The overlay of one video while it is scored; see `writing_overlay`."""

    def __init__(
        self,
        opening: Callable[[], OutputContainer],
        rate: float,
        scale: Scale | None,
        span_seconds: float,
    ) -> None:
        self._opening = opening
        self._rate = rate
        self._scale = scale
        self._span_seconds = span_seconds
        self._sink: tuple[OutputContainer, VideoStream] | None = None
        self._reformatter = VideoReformatter()
        self._recent: deque[tuple[float, float, bool, bool]] = deque(maxlen=_MOST_MOMENTS)
        self._last_tick = -1

    def observe(self, moment: Moment) -> None:
        """Append a moment; times have to ascend."""
        rarity = np.nan if moment.rarity_hours is None else moment.rarity_hours
        self._recent.append((moment.seconds, rarity, moment.censored, moment.alarm))
        while self._recent[0][0] < moment.seconds - self._span_seconds:
            self._recent.popleft()
        seconds, rarities, censored, alarms = zip(*self._recent, strict=True)
        strip = Strip(
            seconds=np.array(seconds),
            rarity_hours=np.array(rarities),
            censored=np.array(censored),
            alarm=np.array(alarms),
            scale=self._scale,
            span_seconds=min(self._span_seconds, max(_LEAST_SPAN, moment.seconds - seconds[0])),
        )
        picture = composed(moment.frame, moment.error_map, moment.box, strip)
        self._encode(picture, moment.seconds)

    def _encode(self, picture: np.ndarray, seconds: float) -> None:
        if self._sink is None:
            container = self._opening()
            self._sink = container, _added_stream(container, picture.shape[:2], self._rate)
        container, stream = self._sink
        if picture.shape[:2] != (stream.height, stream.width):
            size = (stream.width, stream.height)
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        frame = self._reformatter.reformat(
            av.VideoFrame.from_ndarray(picture, format="bgr24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
        )
        self._last_tick = max(self._last_tick + 1, round(seconds * _UNIT))
        frame.pts, frame.time_base = self._last_tick, Fraction(1, _UNIT)
        container.mux(stream.encode(frame))

    def finish(self) -> None:
        """Encode what the encoder still holds."""
        if self._sink is not None:
            container, stream = self._sink
            container.mux(stream.encode(None))


@contextlib.contextmanager
def writing_overlay(
    out: Storage,
    name: str,
    *,
    rate: float,
    scale: Scale | None,
    span_seconds: float = 60.0,
) -> Iterator[Overlay]:
    """An overlay that becomes the file `name` when the block ends without an error; else nothing of it stays.

    Memory does not grow with its length. The first frame fixes the size; without one there is no file.

    Args:
        out: where it goes.
        name: of the file, an MP4.
        rate: frames per second, about; each frame is shown at its own time.
        scale: of the strip; None without a calibration.
        span_seconds: that the strip of rarities is wide at most.

    Raises:
        StorageError: it cannot be written.
    """
    with contextlib.ExitStack() as stack:

        def opening() -> OutputContainer:
            file = stack.enter_context(out.writing(name))
            return stack.enter_context(av.open(file, "w", format="mp4"))

        overlay = Overlay(opening, rate, scale, span_seconds)
        yield overlay
        overlay.finish()


def thumbnail(
    frame: np.ndarray,
    error_map: np.ndarray | None,
    box: Box | None,
) -> bytes:
    """A JPEG of at most 480 pixels a side, of a frame with heat and box; arguments as in `Moment`."""
    return encode_jpeg(annotated(frame, error_map, box), _THUMBNAIL_SIDE)


def _added_stream(container: OutputContainer, size: tuple[int, ...], rate: float) -> VideoStream:
    codec, options = next((name, options) for name, options in _CODECS if name in av.codecs_available)
    stream = cast(VideoStream, container.add_stream(codec, rate=round(rate) or 1, options=dict(options)))
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = Fraction(1, _UNIT)
    stream.codec_context.color_range = ColorRange.MPEG
    stream.codec_context.colorspace = Colorspace.ITU709
    stream.codec_context.color_primaries = _BT709
    stream.codec_context.color_trc = _BT709
    return stream
