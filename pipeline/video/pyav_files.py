"""Opening video files with PyAV, and the one rule for which of their tracks is read."""

from fractions import Fraction
from pathlib import Path

import av
import av.logging
from av.stream import Disposition

from pipeline.errors import SourceError
from pipeline.video.naming import ELEMENTARY

av.logging.set_level(av.logging.ERROR)
av.logging.set_skip_repeated(False)  # or what is told of a file depends on the file before it

DEMUXERS = (
    *("amv", "asf", "asf_o", "av1", "avi", "cavsvideo", "dhav", "dirac", "dv", "flv", "gxf", "h261", "h263"),
    *("h264", "hevc", "ivf", "live_flv", "m4v", "matroska", "mjpeg", "mjpeg_2000", "mov", "mpeg", "mpegts"),
    *("mpegvideo", "mpjpeg", "mxf", "nut", "obu", "ogg", "rm", "smjpeg", "vc1", "vc1test", "vvc", "wtv"),
    "yuv4mpegpipe",
)
UNSTAMPED = ("mpeg",)
"""Containers that do not stamp every frame: FFmpeg fills in times, some of them twice."""
TIMELESS = (*UNSTAMPED, *ELEMENTARY)
"""Those whose times are not all of the file itself."""
_PROGRESSIVE = (0, 1)
"""FFmpeg's orders of fields that are none: not known, and progressive."""
_JPEG_STREAMS = (".mjpeg", ".mjpg")
RESTRICTIONS = {"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"}
"""Containers that hold their frames themselves, read from files. Playlists and patterns (concat, hls, dash,
image2, …) open what else they name, whatever the file is called."""


def opened(path: Path, name: str) -> av.container.InputContainer:
    """The file, to be closed by the caller.

    Args:
        path: of the file.
        name: of the file, for messages.

    Raises:
        SourceError: it is not a video file, or cannot be read.
    """
    # Of JPEGs one after another FFmpeg takes few large ones for pictures.
    form = "mjpeg" if path.suffix.lower() in _JPEG_STREAMS else None
    try:
        # In a relative path FFmpeg takes what stands before a colon for a protocol.
        return av.open(str(path.absolute()), format=form, metadata_errors="replace", options=RESTRICTIONS)
    except (av.FFmpegError, OSError) as error:
        try:
            size = path.stat().st_size
        except OSError as gone:
            raise SourceError(
                f"{name}: cannot be read: {gone.strerror}; restore it, or leave it out with --on-error skip"
            ) from error
        raise SourceError(
            f"{name}: found {size} bytes that are no video file FFmpeg reads, or a playlist, picture or "
            f"sound ({error.strerror}); mend or remove it, or leave it out with --on-error skip"
        ) from error


def video_tracks(container: av.container.InputContainer, name: str) -> list[av.VideoStream]:
    """The video tracks, the one to read first: the first that is marked as default, else the first.

    Covers and thumbnails are none, and tracks in which no picture was found come last. So containers without
    such marks (MPEG, AVI) have their first track read, those that mark every track (Matroska by default) too.

    Args:
        container: that was opened.
        name: of the file, for messages.

    Raises:
        SourceError: there is no video track that can be decoded.
    """
    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    tracks = [stream for stream in container.streams.video if not stream.disposition & pictures]
    if not tracks:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "no"
        raise SourceError(f"{name}: found {kinds} streams, expected video; remove the file")
    known = [track for track in tracks if track.codec_context is not None]
    if not known:
        raise SourceError(
            f"{name}: found video of a codec that FFmpeg does not know; convert or remove the file"
        )
    return sorted(known, key=lambda track: (not track.width, not track.disposition & Disposition.default))


def expected_frames(container: av.container.InputContainer, stream: av.VideoStream) -> int:
    """How many frames a track has by its header, or about how many by its time; 0 if neither is known."""
    rate = float(stream.average_rate or 0)
    by_stream = float((stream.duration or 0) * (stream.time_base or 0)) * rate
    return stream.frames or round(by_stream or (container.duration or 0) / av.time_base * rate)


def header_rate(container: av.container.InputContainer, stream: av.VideoStream) -> Fraction | None:
    """Frames per second of a track by the file's header; None if it says nothing, as an elementary stream."""
    return None if container.format.name in ELEMENTARY else stream.average_rate or None


def is_interlaced(stream: av.VideoStream) -> bool:
    """Whether the header of a track says that its frames hold two fields."""
    return stream.codec_context.field_order not in _PROGRESSIVE
