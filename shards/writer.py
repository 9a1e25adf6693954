"""Frames of one video in, its shards out: the same frames and options give the same bytes."""

import hashlib
import re
from collections.abc import Iterable

import numpy as np

from shards.checks import shard_digest
from shards.choices import Split
from shards.codec import Codec, is_gray
from shards.digests import digest_of
from shards.limits import SEGMENT_WINDOWS
from shards.manifest import Segment, Shard
from shards.records import END_OF_TAR, metadata, record
from shards.segments import cut
from shards.storage import Storage

SHARD_BYTES = 512 << 20
"""A tar is closed after the segment that takes it past this size."""


def video_stem(split: Split, name: str) -> str:
    """File name stem for a video: readable, ASCII, without dots, and unique through a hash of the name."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:40]
    return f"{split}-{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def write_video(
    storage: Storage,
    split: Split,
    name: str,
    frames: Iterable[np.ndarray],
    *,
    window: int,
    codec: Codec,
    shard_bytes: int = SHARD_BYTES,
) -> tuple[int, tuple[Shard, ...]]:
    """Write one video's shards.

    Holds at most two segments of frames in memory, whatever the video's length.

    Args:
        storage: of the shard set.
        split, name: of the video.
        frames: uint8 (H, W, 3) in order.
        window: T.
        codec: how to store pixels.
        shard_bytes: see SHARD_BYTES.

    Returns:
        Frames written, and the shards, each whole under its final name.
    """
    stem = video_stem(split, name)
    shards: list[Shard] = []
    segments = cut(frames, window)
    upcoming = next(segments, None)
    total = 0
    while upcoming is not None:
        shard_name = f"{stem}-{len(shards):04d}.tar"
        position = 0
        written: list[Segment] = []
        with storage.writing(shard_name) as file:
            while upcoming is not None and position < shard_bytes:
                first, chunk = upcoming
                upcoming = next(segments, None)
                stored = chunk[..., :1] if is_gray(chunk) else chunk
                key = f"{stem}-{first:08d}"
                facts = metadata(video=name, first=first, frames=len(chunk), channels=stored.shape[3])
                pieces = record(key, {"json": [facts], **codec.encode(stored)})
                for piece in pieces:
                    file.write(piece)
                size = sum(map(len, pieces))
                written.append(
                    Segment(
                        key=key,
                        offset=position,
                        size=size,
                        digest=digest_of(pieces),
                        first=first,
                        frames=len(chunk),
                        windows=SEGMENT_WINDOWS if upcoming else max(0, len(chunk) - window + 1),
                        channels=stored.shape[3],
                    )
                )
                position += size
                total = first + len(chunk)
            file.write(END_OF_TAR)
        shards.append(
            Shard(
                name=shard_name,
                bytes=position + len(END_OF_TAR),
                digest=shard_digest(written),
                segments=tuple(written),
            )
        )
    return total, tuple(shards)
