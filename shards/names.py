"""What the files of a shard set are called: plain ASCII without a way out of the folder.

Nothing else that a manifest says becomes part of a path.
"""

import hashlib
import re

from shards.choices import SPLITS, Split
from shards.text import natural_key

MASKS_SUFFIX = ".masks.npz"
STEM = rf"(?:{'|'.join(SPLITS)})-[A-Za-z0-9_-]{{1,40}}-[0-9a-f]{{8}}"
"""What `video_stem` gives, as a regular expression."""
_CONTENT = "-[0-9a-f]{16}"
"""The first 16 digits of the digest of what a file holds, as a regular expression, so that another file never
takes the place of one that is in use."""
_SHARD = re.compile(rf"(?:{STEM}-[0-9]{{4,9}}|(?:{'|'.join(SPLITS)})-shared){_CONTENT}\.tar")
_MASKS = re.compile(STEM + _CONTENT + re.escape(MASKS_SUFFIX))
_TABLE = re.compile(r"(?:videos|shards|segments|stamps)-[0-9a-f]{32}\.arrows")
_MOST_VIDEO_NAME = 4096
"""Characters of a video's name, which is for people: as long as a path may be."""


def is_shard(name: object) -> bool:
    """Whether a value from a foreign file is the name of a shard."""
    return isinstance(name, str) and _SHARD.fullmatch(name) is not None


def is_masks(name: object) -> bool:
    """Whether it is the name of a mask file."""
    return isinstance(name, str) and _MASKS.fullmatch(name) is not None


def is_video(name: object) -> bool:
    """Whether it can be what people call a video: text that can be written down, and not endless."""
    return isinstance(name, str) and 0 < len(name) <= _MOST_VIDEO_NAME


def is_table(name: object) -> bool:
    """Whether it is the name of a table's file."""
    return isinstance(name, str) and _TABLE.fullmatch(name) is not None


def table_name(table: str, digest: str) -> str:
    """The name of a file that holds a table, from the digest of its content."""
    return f"{table}-{digest[:32]}.arrows"


def video_stem(split: Split, name: str) -> str:
    """File name stem for a video: readable, ASCII, without dots, and told apart by a hash of the name.

    Among 100,000 names whose first 40 characters are the same, one or two pairs have the same stem all the
    same; `preprocess` refuses these. Longer hashes would give the files of sets that exist other names.
    """
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:40]
    return f"{split}-{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def shard_name(stem: str, number: int, digest: str) -> str:
    """The name of a video's shard, from its number and the digest of its content."""
    return f"{stem}-{number:04d}-{digest[:16]}.tar"


def shared_name(split: Split, digest: str) -> str:
    """The name of a shard of several videos, from the digest of its content."""
    return f"{split}-shared-{digest[:16]}.tar"


def masks_name(stem: str, digest: str) -> str:
    """The name of a video's mask file, from the digest of its content."""
    return f"{stem}-{digest[:16]}{MASKS_SUFFIX}"


def record_key(stem: str, first: int) -> str:
    """The webdataset key of a video's record that starts with frame `first`."""
    return f"{stem}-{first:08d}"


def video_order(split: Split, name: str) -> tuple[object, ...]:
    """Sort key of the videos of a set: split, then natural order of name."""
    return SPLITS.index(split), natural_key(name)
