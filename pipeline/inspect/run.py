"""The stage: tables and a contact sheet of what there is, and a check of every byte of a shard set."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.inspect.config import InspectConfig, VerifyConfig
from pipeline.overview import overview
from pipeline.preprocess.contact import contact_sheet
from pipeline.preprocess.describe import describe
from pipeline.progress import progress
from pipeline.tables import Table
from shards.manifest import MANIFEST, load_manifest
from shards.storage import Storage
from shards.verify import verify as verify_set


def inspect(config: InspectConfig) -> Iterator[Table | str]:
    """Tables of a shard set, a run or a checkpoint; of a set, also where its contact sheet lies.

    Raises:
        CheckpointError, ShardError: there is nothing of this kind, or it is damaged.
    """
    storage = Storage(config.location)
    if not storage.exists(MANIFEST):
        yield from overview(storage)
        return
    manifest = load_manifest(storage)
    yield from describe(manifest)
    if config.sheet == "none":
        return
    picture = contact_sheet(storage, manifest, config.rows)
    if config.sheet is None:
        storage.write("contact-sheet.png", picture)
    else:
        Path(config.sheet).write_bytes(picture)
    yield f"contact sheet: {config.sheet or f'{storage}/contact-sheet.png'}"


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a check of a shard set found.

    Attributes:
        problems: one line each; none of a set that is as it was written.
        seen: what was looked at.
        notes: what was not looked at.
    """

    problems: list[str]
    seen: str
    notes: tuple[str, ...]


def verify(config: VerifyConfig) -> Verified:
    """Recompute every hash of a shard set and read every segment.

    Raises:
        ShardError: there is no manifest, or it is damaged.
    """
    storage = Storage(config.shards)
    manifest = load_manifest(storage)
    count = sum(len(video.shards) for video in manifest.videos)
    with progress("verify", count, "shards") as advance:
        problems = verify_set(storage, manifest, lambda shard: advance(1, shard.name))
    unlisted = "a web server does not list its files, so foreign ones were not looked for"
    return Verified(
        problems=problems,
        seen=f"{storage}: {len(manifest.videos)} videos in {count} shards",
        notes=() if storage.can_list else (unlisted,),
    )
