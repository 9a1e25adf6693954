"""What a split and a video are, for whoever goes on with work on them: the same frames in the same order."""

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


def video_identities(manifest: Manifest, split: Split) -> list[str]:
    """(V,) a BLAKE3 digest of all that the frames of each video of a split depend on, and of its name.

    It stays the same when labels, masks or other videos change, and when the same records come to lie in
    other shards.
    """
    videos = manifest.split(split)
    segments = manifest.segments(split, manifest.window)
    columns = [segments.column(name) for name in _COLUMNS]
    rows = np.concatenate([column.reshape(len(segments), -1).view(np.uint8) for column in columns], axis=1)
    ends = np.cumsum(np.bincount(segments.video, minlength=len(videos))).tolist()
    set_wide = [dataclasses.asdict(manifest.geometry), dataclasses.asdict(manifest.codec), manifest.window]
    common = json.dumps(set_wide, sort_keys=True)
    facts = zip(videos.names, videos.frames.tolist(), videos.source_texts, strict=True)
    digests, start = [], 0
    for (name, frames, source), end in zip(facts, ends, strict=True):
        hasher = Hasher(json.dumps([common, name, frames, source]).encode())
        hasher.update(rows[start:end].tobytes())
        digests.append(hasher.hexdigest())
        start = end
    return digests
