"""What a first look at a video tells: whether it can be opened, and how much will be stored of it."""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.preprocess.jobs import Job
from pipeline.preprocess.sources.source import Source
from pipeline.video import pyav_files
from pipeline.video.images import decode_image
from shards.channels import is_gray


def open_video(job: Job) -> None:
    """Open a local video file, to find what is none before hours are spent on others.

    Raises:
        SourceError: it cannot be opened, or holds no video.
    """
    file = job.video.files[0]
    source = Source(job.source)
    with source.local(file.path) as path:
        pyav_files.check(path, f"{source}/{file.path}")


def planes(job: Job) -> int:
    """Frames times channels that differ (1 or 3), as header and first frame say; 0 where they tell nothing.

    Raises:
        SourceError: it is a video file that cannot be opened, or holds no video.
    """
    path = Path(job.source).absolute() / job.video.files[0].path
    if job.video.is_images:
        with contextlib.suppress(Exception):  # whoever decodes it says what is wrong with it
            return len(job.video.files) * _channels(decode_image(path.read_bytes(), str(path)).pixels)
        return 0
    open_video(job)
    with contextlib.suppress(Exception), pyav_files.opened(path, str(path)) as container:
        stream = pyav_files.video_tracks(container, str(path))[0]
        by_time = float((stream.duration or 0) * (stream.time_base or 0)) * float(stream.average_rate or 0)
        frames = stream.frames or round(by_time or _by_container(container, stream))
        return frames * _channels(next(container.decode(stream)).to_ndarray(format="bgr24"))
    return 0


def _channels(pixels: np.ndarray) -> int:
    return 1 if is_gray(pixels[None]) else 3


def _by_container(container: Any, stream: Any) -> float:
    return (container.duration or 0) / 1e6 * float(stream.average_rate or 0)
