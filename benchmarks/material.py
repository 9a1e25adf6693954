"""What benchmarks measure on: generated video, and shard sets straight from arrays of frames.

Frames are uint8 (H, W, 3) BGR.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from shards.choices import Split
from shards.codecs import Codec
from shards.digests import digest_of
from shards.entries import Geometry, Video
from shards.manifest import Manifest, write_manifest
from shards.rows import Videos
from shards.storage import Storage
from shards.writer import write_video as write_shards


def scene(frames: int, *, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Frames (frames, H, W, 3) of three people who walk over a still, blurred texture."""
    height, width = size
    random = np.random.default_rng(seed)
    background = cv2.GaussianBlur(random.integers(60, 120, (height, width, 3), np.uint8), (9, 9), 0)
    rows = random.integers(height // 4, height - height // 6, 3).tolist()
    starts = random.uniform(0, width, 3)
    speeds = random.uniform(0.4, 0.8, 3) * width / 64
    result = np.repeat(background[None], frames, 0)
    for number, frame in enumerate(result):
        for y, start, speed in zip(rows, starts, speeds, strict=True):
            x = int(start + speed * number) % width
            cv2.rectangle(frame, (x, y), (x + width // 20, y + height // 8), (30, 40, 50), cv2.FILLED)
    return result


def write_video(
    path: Path, frames: Iterable[np.ndarray], *, rate: int = 25, options: dict[str, str] | None = None
) -> Path:
    """Encode frames of an even height and width in H.264, with the encoder's options."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options=options or {})
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            if number == 0:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def make_set(
    location: str | os.PathLike[str],
    videos: Mapping[Split, Sequence[np.ndarray]],
    *,
    window: int = 5,
    codec: Codec | None = None,
) -> Manifest:
    """Write a shard set without labels, and return its manifest.

    Args:
        location: of the set.
        videos: frames (F, H, W, 3) of each video of each split.
        window: T, the longest window to serve.
        codec: raw unless given.
    """
    storage, codec = Storage(location), codec or Codec()
    made = []
    for split, clips in videos.items():
        for number, frames in enumerate(clips):
            name = f"{number:02d}"
            draws = (partial(np.copyto, src=frame) for frame in frames)
            count, shards = write_shards(
                storage, split, name, draws, frames.shape[1:3], window=window, codec=codec
            )
            source = {"bytes": frames.nbytes, "digest": digest_of([frames.tobytes()])}
            made.append(Video(name=name, split=split, frames=count, source=source, shards=shards))
    height, width = next(frames.shape[1:3] for clips in videos.values() for frames in clips)
    geometry = Geometry(height=height, width=width)
    manifest = Manifest(
        dataset="folder", geometry=geometry, codec=codec, window=window, videos=Videos.of(made)
    )
    return write_manifest(storage, manifest)
