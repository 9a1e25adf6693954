"""What a split is, for whoever goes on with work on it: the same frames in the same order."""

import dataclasses
import hashlib
import json
from typing import Any

from shards.choices import Split
from shards.manifest import Manifest, Shard


def split_identity(manifest: Manifest, split: Split) -> str:
    """A SHA-256 over all that the frames of a split depend on, and the order in which a plan reads them.

    It stays the same when other splits, labels, masks or the name of the dataset change.
    """
    record = {
        "geometry": dataclasses.asdict(manifest.geometry),
        "codec": dataclasses.asdict(manifest.codec),
        "window": manifest.window,
        "videos": [
            {
                "name": video.name,
                "frames": video.frames,
                "shards": [_identity_of(shard) for shard in video.shards],
            }
            for video in manifest.split(split)
        ],
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _identity_of(shard: Shard) -> dict[str, Any]:
    """What identifies a shard's bytes, and how they are cut into segments: all that the manifest says."""
    return dataclasses.asdict(shard)
