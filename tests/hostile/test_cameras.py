"""Cameras that send pictures which nobody should decode: `watch` decodes these in its own process."""

import functools
import io

import av
import pytest
from av.video.stream import VideoStream

from tests.helpers.limits import limited
from tests.helpers.servers import answering

SMALL, LARGE = (64, 64), (6000, 12000)
"""Heights and widths; the larger has 72 million pixels."""
MEGABYTES = 80
"""Taken at most; a frame of the larger takes 108 MB, and 216 MB as BGR."""
IMPORTS = """
import sys
from pipeline.video.live import DroppedError, connected, unheard
"""
BODY = """
with unheard(), connected(sys.argv[1], "yard") as stream:
    for packet, frames in stream:
        for frame in frames:
            frame.picture("yard")
"""
FORMATS = {"libx264": "h264", "mpeg2video": "mpeg2video", "mjpeg": "mjpeg", "ffv1": "matroska"}


@functools.cache
def coded(codec: str, size: tuple[int, int], frames: int) -> bytes:
    """Black frames."""
    file = io.BytesIO()
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    with av.open(file, "w", format=FORMATS[codec]) as container:
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        stream.options = {"preset": "ultrafast", "tune": "zerolatency"} if codec == "libx264" else {}
        frame = av.VideoFrame(size[1], size[0], pixels)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        for number in range(frames):
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("codec", "is_later"),
    [
        ("ffv1", False),
        *((codec, later) for codec in ("libx264", "mpeg2video", "mjpeg") for later in (False, True)),
    ],
)
def test_a_picture_that_is_too_large_is_a_fault_of_the_camera(codec: str, is_later: bool) -> None:
    data = coded(codec, LARGE, 1)
    if is_later:
        small = coded(codec, SMALL, 30)
        data = small + data + small
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(data)
    with answering(lambda client: client.sendall(head + data)) as port:
        measured = limited(BODY, f"http://127.0.0.1:{port}/cam", imports=IMPORTS)
    assert measured.error is not None
    kind, reason = measured.error
    assert kind == "DroppedError", measured.error
    if (codec, is_later) != ("mjpeg", False):  # which FFmpeg takes for no video
        assert "pixels" in reason
    assert measured.peak < MEGABYTES << 20
