"""What a split is, for whoever goes on with work on it: the same frames in the same order."""

import dataclasses
import json

import numpy as np

from shards.choices import Split
from shards.digests import Hasher
from shards.manifest import Manifest

_COLUMNS = ("digest", "first", "frames", "windows", "channels")
_ROWS = 1 << 18
"""Segments that are hashed at a time."""


def split_identity(manifest: Manifest, split: Split) -> str:
    """A BLAKE3 digest of all that the frames of a split depend on, and the order in which a plan reads them.

    It stays the same when other splits, labels, masks or the name of the dataset change, and when the same
    records come to lie in other shards.
    """
    videos = manifest.split(split)
    segments = manifest.segments(split, manifest.window)
    head = {
        "geometry": dataclasses.asdict(manifest.geometry),
        "codec": dataclasses.asdict(manifest.codec),
        "window": manifest.window,
        "videos": videos.names,
        "frames": videos.frames.tolist(),
        "segments": np.bincount(segments.video, minlength=len(videos)).tolist(),
    }
    hasher = Hasher(json.dumps(head, sort_keys=True).encode())
    for start in range(0, len(segments), _ROWS):
        block = segments.select(np.arange(start, min(start + _ROWS, len(segments))))
        for name in _COLUMNS:
            hasher.update(block.column(name).tobytes())
    return hasher.hexdigest()
