"""Frames of one video in, its shards out: the same frames and options give the same bytes."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import IO

from shards.channels import is_gray
from shards.choices import Split
from shards.codecs import Codec
from shards.digests import digest_of
from shards.entries import Segment, Shard
from shards.limits import SMALL_BYTES
from shards.names import record_key, shard_name, video_stem
from shards.records import END_OF_TAR, metadata, record
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
    cuts = cut(frames, size, window)
    total = 0
    for begins in cuts:
        shard = _Growing(stem, len(shards), aside)
        shards.append(shard)
        with storage.writing(f"{stem}.tar", shard.ending) as file:
            for piece in chain([begins], cuts):
                shard.add(_write_segment(file, piece, stem, name, codec), is_last=piece.is_last)
                total = piece.first + len(piece.frames)
                if shard.bytes >= shard_bytes:
                    break
            file.write(END_OF_TAR)
    return total, tuple(shard.done() for shard in shards)


def _write_segment(file: IO[bytes], piece: Cut, stem: str, name: str, codec: Codec) -> Segment:
    """Write the record of a segment at the end of a shard."""
    stored = piece.frames[..., :1] if is_gray(piece.frames) else piece.frames
    channels = stored.shape[3]
    key = record_key(stem, piece.first)
    facts = metadata(video=name, first=piece.first, frames=len(piece.frames), channels=channels)
    pieces = record(key, {"json": [facts], **codec.pixels.encode(stored)})
    whole = piece.arena.joined(pieces)
    segment = Segment(
        key=key,
        offset=file.tell(),
        size=sum(map(len, pieces)),
        digest=digest_of(pieces if whole is None else [whole]),
        first=piece.first,
        frames=len(piece.frames),
        windows=piece.windows,
        channels=channels,
    )
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
        video of which it is gone is decoded again. That spares small clips a third of their time."""
        shard = self.done()
        waits = bool(self._aside) and self._number == 0 and self._is_last and is_small([shard])
        return Ending(f"{self._aside}/{shard.name}" if waits else shard.name, durable=not waits)

    def done(self) -> Shard:
        """The shard, whole."""
        content = digest_of(bytes.fromhex(segment.digest) for segment in self._segments)
        return Shard(
            name=shard_name(self._stem, self._number, content),
            bytes=self.bytes + len(END_OF_TAR),
            segments=tuple(self._segments),
        )
