"""Shard sets as an attacker would make them: every digest is right, what it stands for is not."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from shards.digests import digest_of
from shards.entries import Segment, Shard, Video
from shards.manifest import MANIFEST, Manifest, load_manifest
from shards.names import table_name
from shards.records import END_OF_TAR
from shards.storage import Storage
from shards.tables import SCHEMAS, TABLES

Record = dict[str, Any]


def record_of(manifest: Manifest) -> Record:
    """A manifest with the rows of its tables, in mappings and lists as JSON has them."""
    record: Record = json.loads(manifest.to_json()) | {
        "videos": [video_record(video) for video in manifest.videos]
    }
    del record["parts"]
    return record


def video_record(video: Video) -> Record:
    """A video as a part file has it."""
    shards = [
        Shard(name=shard.name, bytes=shard.bytes, segments=tuple(shard.segments)) for shard in video.shards
    ]
    record: Record = json.loads(json.dumps(dataclasses.asdict(dataclasses.replace(video, shards=shards))))
    return record


def write_record(folder: Path, record: Record) -> None:
    """Write `manifest.json` and tables that say what `record` does, whatever that is."""
    rows: dict[str, list[Record]] = {table: [] for table in TABLES}
    for number, video in enumerate(record["videos"]):
        rows["videos"].append(
            {**video, "source": json.dumps(video.get("source")), "masks": _with_bytes(video.get("masks"))}
        )
        for shard in video.get("shards", ()):
            for segment in shard.get("segments", ()):
                place = {"video": number, "shard": len(rows["shards"])}
                rows["segments"].append(place | _with_bytes(segment))
            rows["shards"].append(shard)
    part = {table: write_table(folder, table, rows[table]) for table in TABLES}
    header = {name: value for name, value in record.items() if name != "videos"}
    (folder / MANIFEST).write_text(json.dumps(header | {"parts": [part]}))


def _with_bytes(row: Any) -> Any:
    """With the digest as the tables have it, if it is one."""
    with contextlib.suppress(TypeError, ValueError, KeyError):
        if len(digest := bytes.fromhex(row["digest"])) == 32:
            return row | {"digest": digest}
    return row


def write_table(folder: Path, table: str, rows: list[Record]) -> Record:
    """Write a table of rows, with other types where they ask for it; what the manifest says of it."""
    schema = SCHEMAS[table]
    columns = [_array([row.get(field.name) for row in rows], field.type) for field in schema]
    fields = [pa.field(f.name, c.type, f.nullable) for f, c in zip(schema, columns, strict=True)]
    return write_batch(folder, table, pa.record_batch(columns, schema=pa.schema(fields)))


def write_batch(folder: Path, table: str, batch: Any, options: Any = None) -> Record:
    """Write a batch as a table, whatever it holds; what the manifest says of it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return write_bytes(folder, table, sink.getvalue().to_pybytes(), batch.num_rows)


def write_bytes(folder: Path, table: str, data: bytes, rows: int) -> Record:
    """Write bytes as a table; what the manifest says of it."""
    digest = digest_of([data])
    (folder / table_name(table, digest)).write_bytes(data)
    return {"rows": rows, "bytes": len(data), "digest": digest}


def _array(values: list[Any], kind: Any) -> Any:
    for wanted in (kind, None):
        with contextlib.suppress(pa.ArrowException, OverflowError, TypeError, UnicodeError):
            return pa.array(values, wanted)
    return pa.array([ascii(value) for value in values])


def forge(folder: Path, change: Callable[[Record], object]) -> None:
    """Change what the manifest and the tables of a set say, and make all digests right again."""
    record = record_of(load_manifest(Storage(folder)))
    change(record)
    write_record(folder, record)


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
    shard = load_manifest(Storage(folder)).videos[video].shards[0]
    return (folder / shard.name).read_bytes()[: shard.segments[0].size], shard.segments[0]


def set_path(record: Any, path: tuple[str | int, ...], value: object) -> None:
    """Set a value inside nested lists and mappings."""
    for step in path[:-1]:
        record = record[step]
    record[path[-1]] = value
