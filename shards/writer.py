"""Frames of one video in, its shards out: the same frames and options give the same bytes."""

from collections.abc import Iterable

import numpy as np

from shards.channels import is_gray
from shards.choices import Split
from shards.codecs import Codec
from shards.digests import digest_of
from shards.limits import SEGMENT_WINDOWS
from shards.manifest import Segment, Shard
from shards.names import record_key, shard_name, video_stem
from shards.records import END_OF_TAR, metadata, record
from shards.segments import cut
from shards.storage import Storage

SHARD_BYTES = 512 << 20
"""A tar is closed after the segment that takes it past this size."""


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
        position = 0
        written: list[Segment] = []

        def final_name(number: int = len(shards), segments: list[Segment] = written) -> str:
            return shard_name(stem, number, digest_of(bytes.fromhex(each.digest) for each in segments))

        with storage.writing(f"{stem}.tar", final_name) as file:
            while upcoming is not None and position < shard_bytes:
                first, chunk = upcoming
                upcoming = next(segments, None)
                stored = chunk[..., :1] if is_gray(chunk) else chunk
                key = record_key(stem, first)
                facts = metadata(video=name, first=first, frames=len(chunk), channels=stored.shape[3])
                pieces = record(key, {"json": [facts], **codec.pixels.encode(stored)})
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
        shards.append(Shard(name=final_name(), bytes=position + len(END_OF_TAR), segments=tuple(written)))
    return total, tuple(shards)
