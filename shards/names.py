"""What the files of a shard set are called: plain ASCII without a way out of the folder.

Nothing else that a manifest says becomes part of a path.
"""

import re

from shards.choices import SPLITS

MASKS_SUFFIX = ".masks.npz"
STEM = rf"(?:{'|'.join(SPLITS)})-[A-Za-z0-9_-]{{1,40}}-[0-9a-f]{{8}}"
"""What `shards.writer.video_stem` gives, as a regular expression."""
_SHARD = re.compile(rf"{STEM}-[0-9]{{4,9}}\.tar")
_MASKS = re.compile(STEM + re.escape(MASKS_SUFFIX))
_KEY = re.compile(rf"{STEM}-[0-9]{{8,16}}")
_MOST_VIDEO_NAME = 4096
"""Characters of a video's name, which is for people: as long as a path may be."""


def is_shard(name: object) -> bool:
    """Whether a value from a foreign file is the name of a shard."""
    return isinstance(name, str) and _SHARD.fullmatch(name) is not None


def is_masks(name: object) -> bool:
    """Whether it is the name of a mask file."""
    return isinstance(name, str) and _MASKS.fullmatch(name) is not None


def is_key(name: object) -> bool:
    """Whether it is the key of a record."""
    return isinstance(name, str) and _KEY.fullmatch(name) is not None


def is_video(name: object) -> bool:
    """Whether it can be what people call a video: text that can be written down, and not endless."""
    return isinstance(name, str) and 0 < len(name) <= _MOST_VIDEO_NAME
