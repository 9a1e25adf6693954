"""Shard sets as an attacker would make them: every digest is right, what it stands for is not."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shards.checks import shard_digest
from shards.digests import digest_of
from shards.manifest import MANIFEST, Segment
from shards.records import END_OF_TAR

Record = dict[str, Any]


def forge(folder: Path, change: Callable[[Record], object]) -> None:
    """Change the manifest of a set and make the digests of its shards right again."""
    record = json.loads((folder / MANIFEST).read_bytes())
    change(record)
    for video in record["videos"]:
        for shard in video["shards"]:
            shard["digest"] = shard_digest([Segment(**segment) for segment in shard["segments"]])
    (folder / MANIFEST).write_text(json.dumps(record))


def replace_record(folder: Path, content: bytes, *, video: int = 0, **fields: object) -> None:
    """Make `content` the only record of a video's only shard; `fields` change the row of its segment."""

    def change(record: Record) -> None:
        (shard,) = record["videos"][video]["shards"]
        row = shard["segments"][0] | fields
        shard["segments"] = [row | {"offset": 0, "size": len(content), "digest": digest_of([content])}]
        shard["bytes"] = len(content) + len(END_OF_TAR)
        record["videos"][video]["frames"] = row["frames"]
        (folder / shard["name"]).write_bytes(content + END_OF_TAR)

    forge(folder, change)


def first_record(folder: Path, video: int = 0) -> tuple[bytes, Segment]:
    """The bytes of a video's first record, and its row."""
    shard = json.loads((folder / MANIFEST).read_bytes())["videos"][video]["shards"][0]
    segment = Segment(**shard["segments"][0])
    return (folder / shard["name"]).read_bytes()[: segment.size], segment


def set_path(record: Any, path: tuple[str | int, ...], value: object) -> None:
    """Set a value inside nested lists and mappings."""
    for step in path[:-1]:
        record = record[step]
    record[path[-1]] = value
