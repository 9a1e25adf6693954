"""What the scores of a video depend on, as a digest: where it is the same, the scores are, bit for bit.

Where the memory is carried from video to video, those of a video depend on all videos before it. So its
digest takes in that of the video before, and an evaluation can only go on after the first videos of a set.
"""

import hashlib
import json
from collections.abc import Sequence
from importlib.metadata import version

import numpy as np

from pipeline.runs.provenance import Provenance
from pipeline.scoring.runtime import PACKAGES
from shards.choices import Split
from shards.identity import split_identity, video_identities
from shards.manifest import Manifest

_OPTIONS = (
    "code_version",
    "checkpoint_sha256",
    "split",
    "memory",
    "alpha",
    "threshold",
    "distance",
    "runtime",
    "precision",
    "batch_size",
)
"""All fields of a provenance on which scores depend, beside the frames; the batch size changes their last
digits only."""


def works_of(
    provenance: Provenance,
    manifest: Manifest,
    split: Split,
    scored: Sequence[bool] | np.ndarray,
    *,
    device: str,
    model: str,
) -> list[str]:
    """The digest of each video of the split that is evaluated.

    Args:
        provenance: of the evaluation.
        manifest, split: of the set.
        scored: (V,) whether each has any scores.
        device: `cpu` or `cuda`.
        model: what else the model was made from than the checkpoint; empty for nothing.

    Returns:
        (V,) SHA-256.
    """
    common = {name: getattr(provenance, name) for name in _OPTIONS} | {
        "device": device,
        "model": model,
        "libraries": [version("torch"), *(version(PACKAGES[r]) for r in PACKAGES if r == provenance.runtime)],
        "channels": manifest.stored_channels(split),
        "places": split_identity(manifest, "training") if provenance.distance == "places" else "",
    }
    carried = provenance.memory == "carry"
    before = hashlib.sha256(json.dumps(common, sort_keys=True).encode()).hexdigest()
    works = []
    for identity, has_scores in zip(video_identities(manifest, split), scored, strict=True):
        works.append(hashlib.sha256(f"{before} {identity}".encode()).hexdigest())
        if carried and has_scores:
            before = works[-1]
    return works
