"""From who walks when to frames, and from frames to a video file, one at a time."""

import itertools
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from pipeline.errors import SourceError
from pipeline.synthesize.scene import View, Walker, draw
from shards.opencv import cv2
from shards.storage import TEMPORARY_PREFIX

_NOISE = 2
"""Standard deviation of the camera's noise, gray levels."""


def drawn(
    scene: np.ndarray, walkers: Sequence[Walker], frames: int, view: View, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Frames, uint8 (H, W), of walkers in an empty scene, uint8 (H, W); `rng` makes the noise.

    Who is far outside the view is not drawn: hours may have thousands of walkers.
    """
    x, dx, height = (
        np.array([getattr(walker, name) for walker in walkers]) for name in ("x", "dx", "height")
    )
    for frame in range(frames):
        picture = scene.copy()
        near = np.abs(x + dx * frame - view.aspect / 2) < view.aspect / 2 + 2 * height
        for walker in sorted(itertools.compress(walkers, near), key=lambda w: w.y + w.dy * frame):
            draw(picture, walker, frame)
        yield np.clip(picture + rng.normal(0, _NOISE, picture.shape), 0, 255).astype(np.uint8)


def write_video(path: Path, frames: Iterable[np.ndarray], rate: int) -> int:
    """Encode frames, uint8 (H, W), as they come; the file is there once it is whole. Returns their number.

    Raises:
        SourceError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
    try:
        count = _encode(temporary, frames, rate)
        written = int(cv2.VideoCapture(str(temporary)).get(cv2.CAP_PROP_FRAME_COUNT))
        if written != count:  # OpenCV tells of no failure
            raise SourceError(
                f"{path}: found {written} frames written, expected {count}; make room, or name another"
            )
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def _encode(path: Path, frames: Iterable[np.ndarray], rate: int) -> int:
    writer, count = None, 0
    try:
        for frame in frames:
            if writer is None:
                height, width = frame.shape
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
                if not writer.isOpened():
                    raise SourceError(f"{path.parent}: OpenCV cannot write mp4 video here")
            writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
            count += 1
    finally:
        if writer is not None:
            writer.release()
    return count
