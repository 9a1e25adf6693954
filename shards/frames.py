"""The frames of one video of a set, one after another, without windows."""

from collections.abc import Iterator

import numpy as np

from shards.choices import Split
from shards.manifest import Manifest
from shards.reader import SegmentReader
from shards.rows import Located
from shards.storage import Storage
from shards.stream import prefetched


def video_frames(
    storage: Storage,
    manifest: Manifest,
    split: Split,
    video: int,
    *,
    start: int = 0,
    end: int | None = None,
    threads: int = 2,
) -> Iterator[tuple[int, np.ndarray]]:
    """Each frame of [start, end) once, in order, uint8 (H, W, 3), with its number.

    Args:
        storage, manifest, split: what to read.
        video: index into the split's videos.
        start, end: frames; no end is that of the video.
        threads: that read and decode.

    Raises:
        ShardError: a shard is missing or damaged.
    """
    stop = manifest.split(split)[video].frames if end is None else end
    reader = SegmentReader(storage, manifest)

    def load(located: Located) -> tuple[int, np.ndarray]:
        return located.segment.first, reader.read(located)

    segments = manifest.segments(split, 1, [video])
    begin = segments.column("first")
    wanted = segments.select((begin < stop) & (begin + segments.column("frames") > start))
    reached = start
    for first, frames in prefetched(load, wanted, threads):
        for number in range(max(first, reached), min(first + len(frames), stop)):
            yield number, np.broadcast_to(frames[number - first], (*frames.shape[1:3], 3))
            reached = number + 1
