"""Small videos share shards: which of them lie together, and how their records get there.

A million clips as a million objects are slow to list, to open and to fetch. So small videos that follow one
another lie in one shard until that is full. Where a record lies changes none of its bytes, and nothing that
a training or an evaluation depends on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from shards.choices import SPLITS
from shards.digests import digest_of
from shards.entries import Shard
from shards.errors import CorruptShardError, ShardError
from shards.limits import SHARED_BYTES, SMALL_BYTES
from shards.names import shard_name, shared_name, video_stem
from shards.records import END_OF_TAR
from shards.storage import Storage
from shards.tables import Tables, relaid, runs_of


@dataclass(frozen=True, kw_only=True)
class Record:
    """A record, where it lies now.

    Attributes:
        shard: name of the tar.
        offset, size: bytes.
        digest: of those bytes.
    """

    shard: str
    offset: int
    size: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Packing:
    """A shard that is to be made from records of others.

    Attributes:
        name: of the tar.
        records: in the order in which they are to lie.
    """

    name: str
    records: tuple[Record, ...]


def alone(shard: Shard) -> Packing:
    """What makes a shard from itself, where it lies elsewhere."""
    records = [
        Record(shard=shard.name, offset=each.offset, size=each.size, digest=each.digest)
        for each in shard.segments
    ]
    return Packing(name=shard.name, records=tuple(records))


def packed(tables: Tables, loose: np.ndarray) -> tuple[Tables, list[Packing]]:
    """Where the records of small videos are to lie, a pure function of the tables.

    Args:
        tables: of a part.
        loose: (V,) bool, the videos that may move.

    Returns:
        The tables as they are to be, the same ones if nothing moves, and the shards to be made for that.
    """
    size = tables.column("size").astype(np.int64)
    shard, offset = (tables.column(name).astype(np.int64) for name in ("shard", "offset"))
    names, titles, ranges = tables.shard_names(), tables.titles(), tables.ranges
    packings: list[Packing] = []
    made: list[tuple[str, int]] = []
    for videos in _groups(tables, loose, _bytes_of_videos(tables)):
        rows = runs_of(ranges[videos], ranges[videos + 1] - ranges[videos])
        digests = [digest.tobytes() for digest in tables.column("digest")[rows]]
        content, (split, name) = digest_of(digests), titles[videos[0]]
        target = (
            shared_name(split, content)
            if len(videos) > 1
            else shard_name(video_stem(split, name), 0, content)
        )
        if {names[number] for number in np.unique(shard[rows])} == {target}:
            continue
        places = zip(shard[rows].tolist(), offset[rows].tolist(), size[rows].tolist(), digests, strict=True)
        records = [
            Record(shard=names[number], offset=start, size=count, digest=digest.hex())
            for number, start, count, digest in places
        ]
        packings.append(Packing(name=target, records=tuple(records)))
        shard[rows] = len(names) + len(made)
        offset[rows] = np.cumsum(size[rows]) - size[rows]
        made.append((target, int(size[rows].sum()) + len(END_OF_TAR)))
    return (relaid(tables, made, shard, offset) if made else tables), packings


def _bytes_of_videos(tables: Tables) -> np.ndarray:
    """(V,) of the records of each video."""
    sizes = np.bincount(tables.column("video"), weights=tables.column("size"), minlength=len(tables))
    return sizes.astype(np.int64)


def _groups(tables: Tables, loose: np.ndarray, size: np.ndarray) -> Iterator[np.ndarray]:
    """The rows of small loose videos of one split that lie in one shard, group by group."""
    for split in SPLITS:
        rows = np.flatnonzero(loose & tables.is_of(split) & (size <= SMALL_BYTES))
        start = held = 0
        for place, count in enumerate(size[rows].tolist()):
            if held and held + count > SHARED_BYTES:
                yield rows[start:place]
                start, held = place, 0
            held += count
        if start < len(rows):
            yield rows[start:]


def with_gaps(tables: Tables) -> np.ndarray:
    """(V,) bool, the videos of a shard that holds more than these tables list: others have gone from it."""
    shard, video = tables.column("shard"), tables.column("video")
    filled = np.bincount(shard, weights=tables.column("size"), minlength=tables.shards.num_rows)
    torn = filled.astype(np.int64) + len(END_OF_TAR) != tables.shard_bytes
    flags: np.ndarray = np.bincount(video, weights=torn[shard], minlength=len(tables)) > 0
    return flags


def write_packing(storage: Storage, packing: Packing, place: Callable[[str], str]) -> None:
    """Make a shard from records of others; done again it makes the same.

    Args:
        storage: of the set.
        packing: what to make.
        place: gives the name under which one of the others is stored.

    Raises:
        CorruptShardError: a record has other bytes than were written; nothing is made.
        ShardError: a shard is not there.
    """
    with storage.writing(packing.name) as file:
        for shard, records in groupby(packing.records, key=lambda record: record.shard):
            for piece in _read(storage, place(shard), [*records]):
                file.write(piece)
        file.write(END_OF_TAR)


def _read(storage: Storage, name: str, records: Sequence[Record]) -> Iterator[bytes]:
    try:
        with storage.open(name, most=SHARED_BYTES + SMALL_BYTES) as file:
            for record in records:
                file.seek(record.offset)
                piece = file.read(record.size)
                if digest_of([piece]) != record.digest:
                    raise CorruptShardError(
                        f"{storage}/{name}: the record at byte {record.offset} holds other bytes than were "
                        "written; delete it and run preprocess again"
                    )
                yield piece
    except FileNotFoundError:
        raise ShardError(
            f"{storage}/{name}: not found, though it was written; run preprocess again with --recheck"
        ) from None
