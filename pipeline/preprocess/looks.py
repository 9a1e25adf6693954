"""What a first look at a video tells: whether it can be opened, and how much will be stored of it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.preprocess.jobs import Job
from pipeline.preprocess.sources.source import Source
from pipeline.video.audit import Demuxed, demuxed
from pipeline.video.images import decode_image, read_image
from pipeline.video.pyav_frames import Findings, frames_of
from shards.channels import is_gray


def frames(job: Job) -> int:
    """Open a local video file, to find what is none before hours are spent on others.

    Returns:
        About how many frames it has, as its header says; 0 if it does not.

    Raises:
        SourceError: it cannot be opened, or holds no video.
    """
    with _opened(job) as file:
        return file.expected


def planes(job: Job) -> int:
    """Frames times channels that differ (1 or 3), as header and first frame say; 0 where they tell nothing.

    Raises:
        SourceError: it is a video file that cannot be opened, or holds no video.
    """
    if not job.video.is_images:
        with _opened(job) as file, contextlib.suppress(Exception):
            return file.expected * _channels(next(frames_of(file, Findings())))
        return 0
    path = Path(job.source).absolute() / job.video.files[0].path
    with contextlib.suppress(Exception):  # whoever decodes it says what is wrong with it
        return len(job.video.files) * _channels(decode_image(read_image(path, str(path)), str(path)).pixels)
    return 0


@contextlib.contextmanager
def _opened(job: Job) -> Iterator[Demuxed]:
    source, file = Source(job.source), job.video.files[0]
    with source.local(file.path) as path, demuxed(path, f"{source}/{file.path}") as opened:
        yield opened


def _channels(pixels: np.ndarray) -> int:
    return 1 if is_gray(pixels[None]) else 3
