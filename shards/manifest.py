"""`manifest.json`, and the tables that it names: everything about a shard set.

It is written last; a set without it is incomplete. The tables hold the rows of videos, shards and segments,
see `shards.tables` and `shards.rows`. The same input and options give the same bytes: no times, no paths of
the machine that made it.
"""

import dataclasses
import hashlib
import json
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shards.checks import check_manifest, check_tables, natural
from shards.choices import Split
from shards.codecs import Codec
from shards.digests import is_digest
from shards.entries import Geometry
from shards.errors import CorruptShardError, NoSetError, ShardError
from shards.jsonfile import fields_of, list_of, parse_json
from shards.limits import MOST_MANIFEST_BYTES
from shards.rows import Segments, Videos
from shards.storage import Storage
from shards.tablefiles import part_of, read_part, write_part
from shards.tables import Part, TableFile

FORMAT = "mnad-shards"
VERSION = 3
MANIFEST = "manifest.json"
VERSIONS = "versions"
"""The folder of the manifests of all versions, see `shards.versions`."""
_MOST_PARTS = 64
"""The most parts of a set; each is more than twice as large as the next, so that a billion videos have 30 at
most."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A whole shard set.

    Attributes:
        dataset: the layout that was recognised.
        geometry, codec: how frames are stored.
        window: T, the longest window that the segments serve.
        videos: sorted by split and natural order of name.
        digest: SHA-256 of the bytes that it was parsed from, as `sha256sum` prints it; empty if it was made
            here. Not part of the file.
    """

    dataset: str
    geometry: Geometry
    codec: Codec
    window: int
    videos: Videos
    format: str = field(default=FORMAT)
    version: int = field(default=VERSION)
    digest: str = field(default="", compare=False, repr=False)

    def split(self, split: Split) -> Videos:
        """The videos of one split, in evaluation order."""
        return self.videos.split(split)

    def segments(self, split: Split, window: int, videos: Iterable[int] | None = None) -> Segments:
        """The segments of a split in order, with their windows of T = `window`.

        Args:
            split: which.
            window: T.
            videos: numbers of those of the split's videos whose segments are wanted, ascending; None for all.

        Raises:
            ShardError: `window` is longer than the segments were cut for.
        """
        if not 1 <= window <= self.window:
            raise ShardError(
                f"the shards hold windows of up to {self.window} frames, asked for {window}; "
                f"preprocess again with --window {window}"
            )
        known = self.split(split)
        chosen = np.arange(len(known)) if videos is None else np.array([*videos], np.int64)
        video, row = known.select(chosen).segments()
        found = Segments(known, chosen[video].astype(np.uint32), row, np.zeros(len(row), np.int64))
        if window == self.window:
            found.windows = found.column("windows")
        else:
            first, frames = found.column("first"), found.column("frames")
            is_last = np.append(video[1:] != video[:-1], True)[: len(row)]
            stride = np.append(np.diff(first), 0)[: len(row)]
            found.windows = np.where(is_last, np.maximum(0, frames - window + 1), stride)
        return found

    def stored_channels(self, split: Split) -> int:
        """3, or 1 if all segments of the split are gray."""
        segments = self.segments(split, self.window)
        return int(segments.column("channels").max()) if len(segments) else self.geometry.channels

    def to_json(self) -> bytes:
        """The bytes of `manifest.json`, which name the files of the tables by their digests."""
        parts = [
            {table: dataclasses.asdict(file) for table, file in part_of(tables)._asdict().items()}
            for tables in self.videos.parts
        ]
        names = ("format", "version", "dataset", "window")
        record = {name: getattr(self, name) for name in names} | {
            "geometry": dataclasses.asdict(self.geometry),
            "codec": dataclasses.asdict(self.codec),
            "parts": parts,
        }
        return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_manifest(storage: Storage, manifest: Manifest) -> Manifest:
    """Write the tables that are not stored yet, and then `manifest.json`, in one step, over the one before.

    All that it names has its name on the disk by then.

    Returns:
        The manifest as it is stored.
    """
    for tables in manifest.videos.parts:
        if tables.part is None:
            tables.part = write_part(storage, tables)
    storage.sync_names()
    data = manifest.to_json()
    digest = hashlib.sha256(data).hexdigest()
    for name in (version_name(digest), MANIFEST):
        storage.write(name, data)
    return dataclasses.replace(manifest, digest=digest)


def version_name(digest: str) -> str:
    """Where the manifest of a version lies, from its SHA-256."""
    return f"{VERSIONS}/{digest}.json"


def load_manifest(storage: Storage, pinned: str | None = None) -> Manifest:
    """Read and check `manifest.json`, or the manifest of an earlier version, and the tables of that.

    Args:
        storage: of the set.
        pinned: the `digest` of the version that is wanted, or None for the newest.

    Raises:
        ShardError: there is none, it is of another format version, or not the one that was pinned.
        CorruptShardError: it contradicts itself, or claims what no set holds.
    """
    where = f"{storage}/{MANIFEST}"
    data = _read(storage, MANIFEST)
    digest = hashlib.sha256(data).hexdigest()
    if pinned is not None and digest != pinned:
        try:
            data = _read(storage, version_name(pinned)) if is_digest(pinned) else b""
        except ShardError:
            data = b""
        if hashlib.sha256(data).hexdigest() != pinned:
            raise ShardError(
                f"{where}: found SHA-256 {digest}, expected {pinned} as pinned; take the set that was "
                "pinned, or pin what verify prints of this one"
            )
        where, digest = f"{storage}/{version_name(pinned)}", pinned
    try:
        record = parse_json(data, where, most=MOST_MANIFEST_BYTES)
    except ValueError as error:
        raise CorruptShardError(f"{error}; preprocess again") from error
    try:
        _check_version(record, where)
        if not isinstance(record["dataset"], str):
            raise ValueError(f"dataset {record['dataset']!r:.80}, expected a name")
        header: dict[str, Any] = {
            "dataset": record["dataset"],
            "geometry": Geometry(**fields_of(Geometry, record["geometry"])),
            "codec": _codec(record["codec"]),
            "window": record["window"],
            "digest": digest,
        }
        parts = [_part(part) for part in list_of(record["parts"])]
        if len(parts) > _MOST_PARTS:
            raise ValueError(f"found {len(parts)} parts, expected at most {_MOST_PARTS}")
        tables = [read_part(storage, part) for part in parts]
        for each in tables:
            check_tables(each)
        manifest = Manifest(**header, videos=Videos(tables))
        check_manifest(manifest)
        return manifest
    except KeyError as error:
        raise CorruptShardError(f"{where}: has no {error}; preprocess again") from error
    except ValueError as error:
        raise CorruptShardError(f"{where}: {error}; preprocess again") from error


def listed_parts(storage: Storage, digest: str) -> list[Part]:
    """The files of the tables of a version, none of which is opened.

    Raises:
        ShardError: there is no such version, or it is of another format.
        CorruptShardError: it is damaged.
    """
    where = f"{storage}/{version_name(digest)}"
    try:
        record = parse_json(_read(storage, version_name(digest)), where, most=MOST_MANIFEST_BYTES)
        _check_version(record, where)
        return [_part(part) for part in list_of(record.get("parts"))]
    except ValueError as error:
        raise CorruptShardError(f"{where}: {error}; preprocess again") from error


def _read(storage: Storage, name: str) -> bytes:
    where = f"{storage}/{name}"
    try:
        return storage.read(name, most=MOST_MANIFEST_BYTES)
    except FileNotFoundError:
        raise NoSetError(
            f"{where}: not found; no shard set, or one that preprocess did not finish: run preprocess (again)"
        ) from None
    except OSError as error:
        raise ShardError(f"{where}: cannot be read: {error.strerror or error}") from error


def _codec(value: Any) -> Codec:
    try:
        return Codec(**fields_of(Codec, value))
    except ShardError as error:
        raise ValueError(str(error)) from error


def _part(value: Any) -> Part:
    record = value if isinstance(value, dict) else {}
    if record.keys() != set(Part._fields):
        raise ValueError(f"found {reprlib.repr(value)}, expected the files of {', '.join(Part._fields)}")
    return Part(**{table: _table_file(record[table]) for table in Part._fields})


def _table_file(value: Any) -> TableFile:
    file = TableFile(**fields_of(TableFile, value))
    natural(file, "rows", "bytes")
    if not is_digest(file.digest):
        raise ValueError(f"a table has the digest {file.digest!r:.80}")
    return file


def _check_version(record: Any, where: str) -> None:
    found = (record.get("format"), record.get("version")) if isinstance(record, dict) else (None, None)
    if found in ((FORMAT, 1), (FORMAT, 2)):
        raise ShardError(
            f"{where}: found version {found[1]}, made by an older version, expected {VERSION}; preprocess "
            "again"
        )
    if found != (FORMAT, VERSION):
        raise ShardError(
            f"{where}: found {found[0]!r:.40} version {found[1]!r:.40}, expected {FORMAT!r} version "
            f"{VERSION}; preprocess again"
        )
