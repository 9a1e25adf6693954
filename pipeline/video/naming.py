"""Which files hold video, by their names, and of what kind; importing this module is cheap."""

VIDEO_SUFFIXES = frozenset(
    f".{suffix}"
    for suffix in (
        *("3gp", "asf", "avi", "dav", "flv", "h264", "h265", "hevc", "m2ts", "m4v", "mjpeg", "mjpg", "mkv"),
        *("mov", "mp4", "mpeg", "mpg", "mts", "mxf", "ogv", "ts", "vob", "webm", "wmv", "y4m"),
    )
)
IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
ELEMENTARY = (
    *("av1", "cavsvideo", "dirac", "h261", "h263", "h264", "hevc", "m4v", "mjpeg", "mjpeg_2000", "mpegvideo"),
    *("obu", "vc1", "vvc"),
)
"""FFmpeg's names of containers that hold coded frames one after another and nothing else: it gives them 25
frames per second, and times that follow from that."""
MAYBE_ELEMENTARY = frozenset(
    f".{suffix}" for suffix in ("dav", "h264", "h265", "hevc", "m4v", "mjpeg", "mjpg", "mpeg", "mpg", "vob")
)
"""Suffixes of files that may hold coded frames and nothing else, not even how many come in a second."""
