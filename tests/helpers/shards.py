"""Shard sets as tests need them."""

from pathlib import Path

import numpy as np

from shards.manifest import Split, load_manifest
from shards.storage import Storage


def stored_frames(folder: Path, split: Split, name: str) -> np.ndarray:
    """All frames of a video, uint8 (frames, H, W, 3), from the bytes that its shards hold."""
    manifest = load_manifest(Storage(folder))
    video = next(video for video in manifest.split(split) if video.name == name)
    height, width = manifest.geometry.height, manifest.geometry.width
    frames = np.zeros((video.frames, height, width, 3), np.uint8)
    for shard in video.shards:
        data = memoryview((folder / shard.name).read_bytes())
        for segment in shard.segments:
            record = data[segment.offset : segment.offset + segment.size]
            shape = (segment.frames, height, width, segment.channels)
            frames[segment.first : segment.first + segment.frames] = manifest.codec.decode(record, shape)
    return frames
