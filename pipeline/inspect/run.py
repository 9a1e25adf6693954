"""The stage: tables and a contact sheet of what there is, and a check of every byte of a shard set."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.inspect.config import InspectConfig, VerifyConfig
from pipeline.inspect.contact import contact_sheet
from pipeline.inspect.describe import describe
from pipeline.inspect.overview import overview
from pipeline.processes.locking import is_busy
from pipeline.terminal.progress import progress
from pipeline.terminal.tables import Table
from shards.errors import ShardError
from shards.manifest import MANIFEST, Manifest, load_manifest
from shards.storage import Storage, storage_of
from shards.verify import foreign
from shards.verify import verify as verify_set

_SHEET = "contact-sheet.png"


class Remark(str):
    """A line for standard error."""


def inspect(config: InspectConfig) -> Iterator[Table | str]:
    """Tables of a shard set, a run or a checkpoint; of a set, also its digest and its contact sheet.

    Raises:
        CheckpointError, ShardError: there is nothing of this kind, or it is damaged.
    """
    storage = Storage(config.location)
    if not storage.exists(MANIFEST):
        yield from overview(storage)
        return
    manifest = load_manifest(storage)
    yield from describe(manifest)
    yield f"manifest digest: {manifest.digest}"
    if config.sheet == "none":
        return
    target, name = (storage, _SHEET) if config.sheet is None else storage_of(config.sheet)
    try:
        target.write(name, contact_sheet(storage, manifest, config.rows))
    except ShardError as error:
        yield Remark(f"note: no contact sheet: {error}")
    else:
        yield f"contact sheet: {config.sheet or f'{storage}/{name}'}"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a check of a shard set found.

    Attributes:
        problems: one line for each file that is missing, damaged or foreign.
        seen: what was looked at.
        digest: of the manifest.
        notes: what was not looked at.
    """

    problems: list[str]
    seen: str
    digest: str
    notes: tuple[str, ...]


def verify(config: VerifyConfig) -> Verified:
    """Recompute every hash of a shard set and read every segment.

    Raises:
        ShardError: there is no manifest, or it is damaged.
    """
    storage = Storage(config.shards)
    manifest = load_manifest(storage, config.manifest_digest)
    count = sum(part.shards.num_rows for part in manifest.videos.parts)
    with progress("verify", len(manifest.videos), "videos") as advance:
        problems = verify_set(storage, manifest, lambda video: advance(1, f"{video.split}/{video.name}"))
    strangers, notes = _strangers(storage, manifest)
    return Verified(
        problems=[*problems, *strangers],
        seen=f"{storage}: {len(manifest.videos)} videos in {count} shards",
        digest=manifest.digest,
        notes=notes,
    )


def _strangers(storage: Storage, manifest: Manifest) -> tuple[list[str], tuple[str, ...]]:
    """One line for each file that does not belong to a set, and a note if they cannot be told."""
    if not storage.can_list:
        return [], ("a web server does not list its files, so foreign ones were not looked for",)
    was_busy = is_busy(storage)
    found = foreign(storage, manifest)
    if was_busy or is_busy(storage):
        return [], ("preprocess is at work in it, so files that no version lists were not looked for",)
    return found, ()
