"""Frames of one video in, its shards out: the same frames and options give the same bytes."""

import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from shards.choices import Split
from shards.codec import Codec, is_gray
from shards.manifest import Segment, Shard
from shards.segments import SEGMENT_WINDOWS, cut
from shards.storage import Storage

SHARD_BYTES = 512 << 20
"""A tar is closed after the segment that takes it past this size."""
_END_OF_TAR = bytes(1024)
STEM = r"(?:training|testing)-[A-Za-z0-9_-]{0,40}-[0-9a-f]{8}"
"""What `video_stem` gives, as a regular expression."""


def video_stem(split: Split, name: str) -> str:
    """File name stem for a video: readable, ASCII, without dots, and unique through a hash of the name."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:40]
    return f"{split}-{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def record(key: str, members: Mapping[str, Sequence[bytes | memoryview]]) -> list[bytes | memoryview]:
    """The tar entries of one record, in pieces, as webdataset's own writer makes them; no end of archive.

    Made here because importing webdataset imports torch, which no worker needs.

    Args:
        key: what the record is called, without dots.
        members: extension to the pieces of its content.
    """
    pieces: list[bytes | memoryview] = []
    for extension, content in sorted(members.items()):
        entry = tarfile.TarInfo(f"{key}.{extension}")
        entry.size, entry.mode, entry.mtime = sum(map(len, content)), 0o644, 0
        padding = bytes(-entry.size % tarfile.BLOCKSIZE)
        pieces += [entry.tobuf(tarfile.USTAR_FORMAT), *content, padding]
    return pieces


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
        digest = hashlib.sha256()
        position = 0
        written: list[Segment] = []
        with storage.writing(shard_name) as file:
            while upcoming is not None and position < shard_bytes:
                first, chunk = upcoming
                upcoming = next(segments, None)
                stored = chunk[..., :1] if is_gray(chunk) else chunk
                key = f"{stem}-{first:08d}"
                metadata = {"channels": stored.shape[3], "first": first, "frames": len(chunk), "video": name}
                encoded = json.dumps(metadata, sort_keys=True).encode()
                pieces = record(key, {"json": [encoded], **codec.encode(stored)})
                checksum = 0
                for piece in pieces:
                    checksum = zlib.crc32(piece, checksum)
                    digest.update(piece)
                    file.write(piece)
                size = sum(map(len, pieces))
                written.append(
                    Segment(
                        key=key,
                        offset=position,
                        size=size,
                        crc32=checksum,
                        first=first,
                        frames=len(chunk),
                        windows=SEGMENT_WINDOWS if upcoming else max(0, len(chunk) - window + 1),
                        channels=stored.shape[3],
                    )
                )
                position += size
                total = first + len(chunk)
            file.write(_END_OF_TAR)
            digest.update(_END_OF_TAR)
        shards.append(
            Shard(
                name=shard_name,
                bytes=position + len(_END_OF_TAR),
                sha256=digest.hexdigest(),
                segments=tuple(written),
            )
        )
    return total, tuple(shards)
