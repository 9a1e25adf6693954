"""The versions of a set: each stays readable, whatever becomes of the set, until it is compacted.

A version is its manifest, under `versions/` by its SHA-256; `manifest.json` is the newest. Tables, shards and
masks are called by their content and are never written over, so versions share what they have in common, and
who began with one goes on with it.
"""

import re
from collections.abc import Iterator

from shards.errors import ShardError, StorageError
from shards.manifest import VERSIONS, Manifest, listed_parts, version_name
from shards.names import table_name
from shards.storage import Storage
from shards.tablefiles import read_part
from shards.tables import Part, Tables

_VERSION = re.compile(r"([0-9a-f]{64})\.json")


def versions(storage: Storage) -> list[str]:
    """The digests of all versions that are there."""
    found = (_VERSION.fullmatch(name) for name in storage.names(VERSIONS))
    return [match[1] for match in found if match is not None]


def forget_others(storage: Storage, manifest: Manifest) -> None:
    """Keep one version alone; what only others had stays until somebody removes it."""
    for digest in versions(storage):
        if digest != manifest.digest:
            storage.delete(version_name(digest))


def files_in_use(storage: Storage, manifest: Manifest) -> set[str]:
    """The names of all tables, shards and masks of a version and of all others that can be read."""
    known = {tables.part: tables for tables in manifest.videos.parts if tables.part is not None}
    used: set[str] = set()
    for part in {*known, *_other_parts(storage, manifest)}:
        used |= {table_name(table, file.digest) for table, file in part._asdict().items()}
        try:
            used |= _stored(known.get(part) or read_part(storage, part))
        except StorageError:
            raise
        except ShardError:
            continue  # it cannot be read any more
    return used


def _other_parts(storage: Storage, manifest: Manifest) -> Iterator[Part]:
    for digest in versions(storage):
        if digest != manifest.digest:
            try:
                yield from listed_parts(storage, digest)
            except StorageError:
                raise
            except ShardError:
                continue


def _stored(tables: Tables) -> set[str]:
    masks = tables.videos.column("masks").drop_null().to_pylist()
    return {*tables.shard_names(), *(row["name"] for row in masks)}
