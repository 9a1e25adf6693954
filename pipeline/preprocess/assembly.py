"""The next version of a set, of the videos that stay and those that were finished, and how it is reached."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.jobs import PARTS, Part, part_name
from pipeline.preprocess.labels.kinds import Labels
from pipeline.preprocess.rates import rated
from pipeline.preprocess.sources.videos import Layout
from pipeline.preprocess.standing import Standing
from pipeline.preprocess.state import Key, State, stamps_name, variable, write_stamps
from pipeline.preprocess.tasks import codec_of
from pipeline.terminal.progress import progress
from shards.entries import Geometry, Video
from shards.errors import ShardError
from shards.manifest import VERSIONS, Manifest, write_manifest
from shards.names import is_masks, is_shard, is_table, video_order
from shards.packing import Packing, alone, write_packing
from shards.revision import revised
from shards.storage import Storage
from shards.versions import files_in_use, forget_others

FOLDERS = ("", PARTS, VERSIONS)
"""The folders of a set in which preprocess writes."""


@dataclass(frozen=True)
class NextVersion:
    """The set as it is to be.

    Attributes:
        manifest: of it; most of it may be in tables that are there.
        packings: shards to make for it.
    """

    manifest: Manifest
    packings: list[Packing]


@contextlib.contextmanager
def left_on_failure(storage: Storage, parts: list[Part]) -> Iterator[None]:
    """Write part files for the next run if the block does not come to its end."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ShardError):  # what ended the block is what to tell of
            for part in parts:
                storage.write(part_name(part.video.split, part.video.name), part.to_json())
        raise


def assembled(
    config: PreprocessConfig,
    layout: Layout,
    labels: Labels | None,
    state: State,
    standing: Standing,
) -> NextVersion:
    """The next version of a set.

    Args:
        config, layout, labels: what is asked for.
        state: the set as it is.
        standing: of its videos.

    Raises:
        SourceError: there are no videos, or labels do not fit them.
    """
    parts = standing.parts
    if not standing.done:
        raise SourceError(f"{Storage(config.source)}: none of its {len(layout.videos)} videos can be read")
    before = None if state.manifest is None else state.manifest.videos
    staying = {found.number for found in standing.kept.values()}
    new = [rated(part.video, config.rate) for part in parts.values()]
    old = {} if before is None else {n: before[n] for n in variable(before).tolist() if n in staying}
    bare = (replace(video, abnormal=None, label_source=None) for video in old.values())
    wanted = _labelled([*(rated(video, config.rate) for video in bare), *new], labels)
    for (number, video), now in zip(old.items(), wanted, strict=False):
        if (video.source, video.abnormal, video.label_source) == (now.source, now.abnormal, now.label_source):
            continue
        staying.remove(number)
        new.append(now)
    new[: len(parts)] = wanted[len(old) :]
    videos, packings = revised(before, sorted(staying), new, parts, compact=config.compact)
    manifest = Manifest(
        dataset=layout.dataset,
        geometry=Geometry(height=config.size[0], width=config.size[1]),
        codec=codec_of(config),
        window=config.window,
        videos=videos,
    )
    return NextVersion(manifest, packings)


def _labelled(videos: list[Video], labels: Labels | None) -> list[Video]:
    if labels is None:
        return videos
    testing = [video for video in videos if video.split == "testing"]
    abnormal = labels.apply(sorted(testing, key=lambda video: video_order(video.split, video.name)))
    return [
        replace(video, abnormal=abnormal[video.name], label_source=labels.source)
        if video.split == "testing" and video.name in abnormal
        else video
        for video in videos
    ]


def _pack(storage: Storage, packings: list[Packing], parts: Mapping[Key, Part]) -> None:
    """Make the shards that small videos share, from those that they were written to."""
    waiting = {shard.name: shard for part in parts.values() if part.waits for shard in part.video.shards}
    taken = {record.shard for packing in packings for record in packing.records}
    packings = packings + [alone(shard) for name, shard in waiting.items() if name not in taken]
    with progress("packing", len(packings), "shards", quiet=len(packings) < 2) as advance:
        for packing in packings:
            write_packing(storage, packing, lambda name: f"{PARTS}/{name}" if name in waiting else name)
            advance()


def bring_to(
    version: NextVersion,
    storage: Storage,
    config: PreprocessConfig,
    state: State,
    standing: Standing,
    left: set[str],
) -> Manifest:
    """Bring the set to its next version in one step; then remove what no version of it holds.

    Args:
        version: the next one.
        storage: of the set.
        config: the options.
        state: the set as it was.
        standing: of its videos.
        left: files in the folder of parts.

    Returns:
        The manifest as it was written, or the one that is there if it is the same.
    """
    parts, manifest = standing.parts, version.manifest
    _pack(storage, version.packings, parts)
    before = state.manifest
    # Shards that were made again are younger than the manifest, which must be younger than all.
    if before is not None and not parts and before.to_json() == manifest.to_json():
        manifest = before
    else:
        manifest = write_manifest(storage, manifest)
    stamps = {key: found.stamp for known in (standing.kept, parts) for key, found in known.items()}
    write_stamps(storage, state, manifest, stamps)
    if config.compact:
        forget_others(storage, manifest)
    if storage.is_local or config.recheck or config.compact:
        used = files_in_use(storage, manifest) | {stamps_name(tables) for tables in manifest.videos.parts}
        for name in set(storage.names()) - used:
            if is_shard(name) or is_masks(name) or is_table(name):
                storage.delete(name)
    if len(left) == 1 and not any(part.waits for part in parts.values()):
        storage.delete(*left)  # 3 requests, where to clear the folder takes 5
    elif left:
        storage.clear(PARTS)
    for folder in FOLDERS:
        storage.clear_temporary(folder)
    return manifest
