"""Frames of one video in, its shards out: the same frames and options give the same bytes."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain
from typing import IO

import numpy as np

from shards.channels import is_gray
from shards.choices import Split
from shards.codecs import Codec
from shards.digests import digest_of
from shards.entries import Segment, Shard
from shards.limits import SEGMENT_WINDOWS, SMALL_BYTES
from shards.names import record_key, shard_name, video_stem
from shards.records import END_OF_TAR, metadata, record
from shards.rolling import RollingDigests
from shards.segments import Cut, Draw, cut
from shards.steady import put
from shards.storage import Ending, Storage

SHARD_BYTES = 512 << 20
"""A tar is closed after the segment that takes it past this size."""


def write_video(
    storage: Storage,
    split: Split,
    name: str,
    frames: Iterable[Draw],
    size: tuple[int, int],
    *,
    window: int,
    codec: Codec,
    shard_bytes: int = SHARD_BYTES,
    aside: str = "",
) -> tuple[int, tuple[Shard, ...]]:
    """Write one video's shards.

    Holds at most two segments of frames in memory, whatever the video's length.

    Args:
        storage: of the shard set.
        split, name: of the video.
        frames: in order.
        size: height and width of each, pixels.
        window: T.
        codec: how to store pixels.
        shard_bytes: see SHARD_BYTES.
        aside: folder for the one shard of a small video that is to be packed with others; empty if it stays.

    Returns:
        Frames written, and the shards, each whole under its final name, the folder left out.
    """
    stem = video_stem(split, name)
    shards: list[_Growing] = []
    records = _Records(stem, name, codec)
    full = (SEGMENT_WINDOWS + window - 1, *size, 3)
    digests = RollingDigests(partial(records.head, shape=full))
    cuts = cut(digests.watching(frames), size, window)
    total = 0
    for begins in cuts:
        shard = _Growing(stem, len(shards), aside)
        shards.append(shard)
        with storage.writing(f"{stem}.tar", shard.ending) as file:
            for piece in chain([begins], cuts):
                shard.add(_write_segment(file, piece, records, digests), is_last=piece.is_last)
                total = piece.first + len(piece.frames)
                if shard.bytes >= shard_bytes:
                    break
            file.write(END_OF_TAR)
    return total, tuple(shard.done() for shard in shards)


class _Records:
    """The records of a video's segments.

    Args:
        stem, name: of the video.
        codec: how to store pixels.
    """

    def __init__(self, stem: str, name: str, codec: Codec) -> None:
        self._stem, self._name, self._codec = stem, name, codec

    def key(self, first: int) -> str:
        """Of the segment that begins with a frame."""
        return record_key(self._stem, first)

    def pieces(self, first: int, frames: np.ndarray) -> list[bytes | memoryview]:
        """The record of frames uint8 (F, H, W, C), the largest piece their pixels."""
        facts = self._facts(first, frames.shape)
        return record(self.key(first), {"json": [facts], **self._codec.pixels.encode(frames)})

    def head(self, first: int, shape: tuple[int, ...]) -> bytes | None:
        """What stands before the pixels of frames of `shape`; None if these are not stored as they lie."""
        head = self._codec.pixels.head(self.key(first), shape)
        if head is None:
            return None
        return b"".join([*record(self.key(first), {"json": [self._facts(first, shape)]}), head])

    def _facts(self, first: int, shape: tuple[int, ...]) -> bytes:
        return metadata(video=self._name, first=first, frames=shape[0], channels=shape[3])


def _write_segment(file: IO[bytes], piece: Cut, records: _Records, digests: RollingDigests) -> Segment:
    """Write the record of a segment at the end of a shard."""
    stored = piece.frames[..., :1] if is_gray(piece.frames) else piece.frames
    pieces = records.pieces(piece.first, stored)
    segment = Segment(
        key=records.key(piece.first),
        offset=file.tell(),
        size=sum(map(len, pieces)),
        digest=digests.digest(piece.first, pieces),
        first=piece.first,
        frames=len(piece.frames),
        windows=piece.windows,
        channels=stored.shape[3],
    )
    whole = piece.arena.joined(pieces)
    if whole is not None:
        put(file, whole)
    else:
        for each in pieces:
            file.write(each)
    return segment


def is_small(shards: Sequence[Shard]) -> bool:
    """Whether a video of these shards, all of them, is so small that it shares one with others."""
    return len(shards) == 1 and shards[0].bytes <= SMALL_BYTES + len(END_OF_TAR)


class _Growing:
    """A shard to which segments are written.

    Args:
        stem, number: of its name.
        aside: as of `write_video`.
    """

    def __init__(self, stem: str, number: int, aside: str) -> None:
        self._stem, self._number, self._aside = stem, number, aside
        self._segments: list[Segment] = []
        self._is_last = False
        self.bytes = 0

    def add(self, segment: Segment, *, is_last: bool) -> None:
        """Take in a segment, and whether it is the last one of its video."""
        self._segments.append(segment)
        self._is_last = is_last
        self.bytes += segment.size

    def ending(self) -> Ending:
        """Where it goes. One that is to be packed need not last: packing holds it against its digests, and a
        video of which it is gone is decoded again. That spares small clips a third of their time. The name of
        another need not last until a manifest names it."""
        shard = self.done()
        waits = bool(self._aside) and self._number == 0 and self._is_last and is_small([shard])
        return Ending(f"{self._aside}/{shard.name}" if waits else shard.name, durable=not waits, named=False)

    def done(self) -> Shard:
        """The shard, whole."""
        content = digest_of(bytes.fromhex(segment.digest) for segment in self._segments)
        return Shard(
            name=shard_name(self._stem, self._number, content),
            bytes=self.bytes + len(END_OF_TAR),
            segments=tuple(self._segments),
        )
