"""A video as JSON, in which it waits until the tables of its set are written."""

import reprlib
from typing import Any

from shards.checks import check_masks_record, check_tables, natural
from shards.digests import is_digest
from shards.entries import Segment, Shard, Video
from shards.jsonfile import fields_of, list_of
from shards.masks import Masks
from shards.rows import Videos
from shards.tables import tables_of


def video_from_json(value: Any) -> Video:
    """Inverse of `dataclasses.asdict(video)`; ValueError on anything else."""
    record = fields_of(Video, value)
    masks = record["masks"]
    video = Video(
        **record
        | {
            "shards": tuple(_shard(shard) for shard in list_of(record["shards"])),
            "abnormal": None if record["abnormal"] is None else _intervals(record["abnormal"]),
            "masks": None if masks is None else _masks(masks),
        }
    )
    natural(video, "frames")
    texts = (video.name, video.split, "" if video.label_source is None else video.label_source)
    if not all(isinstance(text, str) for text in texts) or not isinstance(video.source, dict):
        raise ValueError(f"found {reprlib.repr(value)}, expected names and a source")
    try:
        tables = tables_of([video])
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"video {video.name!r:.80}: {error}") from error
    check_tables(tables)
    if Videos([tables])[0].shards != video.shards:
        raise ValueError(f"video {video.name!r:.80} has keys of other segments")
    return video


def _shard(value: Any) -> Shard:
    record = fields_of(Shard, value)
    shard = Shard(**record | {"segments": tuple(_segment(each) for each in list_of(record["segments"]))})
    natural(shard, "bytes")
    if not isinstance(shard.name, str):
        raise ValueError(f"found {shard.name!r:.80}, expected the name of a shard")
    return shard


def _segment(value: Any) -> Segment:
    segment = Segment(**fields_of(Segment, value))
    natural(segment, "offset", "size", "first", "frames", "windows", "channels")
    if not is_digest(segment.digest):
        raise ValueError(f"a segment has the digest {segment.digest!r:.80}")
    return segment


def _masks(value: Any) -> Masks:
    record = fields_of(Masks, value)
    masks = Masks(**record | {"marked": _intervals(record["marked"])})
    check_masks_record(masks)
    return masks


def _intervals(value: Any) -> tuple[tuple[int, int], ...]:
    pairs = [list_of(pair) for pair in list_of(value)]
    if any([type(part) for part in pair] != [int, int] for pair in pairs):
        raise ValueError(f"found {reprlib.repr(value)}, expected intervals of frames")
    return tuple((start, end) for start, end in pairs)
