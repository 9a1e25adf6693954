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
    ends = np.cumsum(np.bincount(segments.video, minlength=len(videos)))
    set_wide = [dataclasses.asdict(manifest.geometry), dataclasses.asdict(manifest.codec), manifest.window]
    common = json.dumps(set_wide, sort_keys=True)
    names, frames, sources = videos.names, videos.frames.tolist(), videos.source_texts
    digests: list[str] = []
    while len(digests) < len(videos):
        first = len(digests)
        start = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, start + _ROWS, side="right")))
        block = segments.select(np.arange(start, ends[last - 1]))
        columns = [block.column(name) for name in _COLUMNS]
        bytes_of = [each if each.ndim == 2 else each[:, None].view(np.uint8) for each in columns]
        rows = np.concatenate(bytes_of, axis=1)
        at = 0
        for number in range(first, last):
            hasher = Hasher(json.dumps([common, names[number], frames[number], sources[number]]).encode())
            hasher.update(rows[at : int(ends[number]) - start].tobytes())
            digests.append(hasher.hexdigest())
            at = int(ends[number]) - start
    return digests
