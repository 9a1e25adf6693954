"""The stage: recognise, do what is missing or changed, label, and write the manifest last."""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import ConfigError, SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.dask_engine import run_dask
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.jobs import PARTS, Part, part_from_json, part_name
from pipeline.preprocess.labels.find import find_labels
from pipeline.preprocess.labels.kinds import Labels
from pipeline.preprocess.notes import notes, unlabelled
from pipeline.preprocess.pool import crew, run_pool
from pipeline.preprocess.rates import rate_facts, rated, refuse_rate_of_files
from pipeline.preprocess.sourceprogress import SourceProgress
from pipeline.preprocess.sources.source import Source, list_tree
from pipeline.preprocess.sources.unread import refuse_dangling, unread
from pipeline.preprocess.sources.videos import Layout, SourceVideo, keep_names
from pipeline.preprocess.space import require_space
from pipeline.preprocess.state import (
    CONFIG,
    Kept,
    Key,
    State,
    load_state,
    recorded_config,
    stamps_name,
    variable,
    write_stamps,
)
from pipeline.preprocess.survey import survey
from pipeline.preprocess.tasks import Ended, codec_of, ended, leaves_parts, refuse_failed, task_of
from pipeline.preprocess.worker import Worker
from pipeline.processes.collecting import rare_collections
from pipeline.processes.locking import sole
from pipeline.runs.ownership import refuse_foreign_config, refuse_links
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
"""In which this stage writes."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did, and what the shard set now is.

    Attributes:
        manifest: of the set.
        reason: how the dataset was recognised.
        done: videos decoded by this run.
        frames: decoded by this run.
        seconds: that it took.
        skipped: videos left out, with the error of each.
        notes: what else a user should know.
    """

    manifest: Manifest
    reason: str
    done: int
    frames: int
    seconds: float
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def preprocess(config: PreprocessConfig) -> Summary:
    """Bring a shard set up to date with its source.

    Only videos that are missing or changed are decoded; killed at any moment and run again, it ends with the
    same bytes. The manifest is there if, and only if, the set is whole: until it is replaced, the set is what
    it was before.

    Raises:
        UserError: of every kind; what was finished before it stays for the next run.
    """
    with rare_collections(), contextlib.ExitStack() as held:
        return _preprocess(config, held)


def _preprocess(config: PreprocessConfig, held: contextlib.ExitStack) -> Summary:
    started = time.monotonic()
    _refuse_shards_in_source(config)
    tree = list_tree(config.source)
    if config.on_error == "fail":
        refuse_dangling(tree)
    layout = recognise(tree, config.dataset, config.split)
    refuse_rate_of_files(config, layout)
    storage = Storage(config.shards)
    held.enter_context(sole("preprocess", storage))
    recorded = refuse_foreign_config(storage, "preprocess")
    refuse_links(storage, FOLDERS[1:])
    for folder in FOLDERS:
        storage.clear_temporary(folder)
    state = load_state(storage, config, recorded)
    known = state.known()
    layout = keep_names(layout, known, state.file_of)
    layout, labels = find_labels(tree, layout, config.labels)
    _check_labels_early(config, layout, labels)
    _refuse_other_source(storage, config, layout, known)

    kept, others = state.unchanged(layout.videos)
    parts: dict[Key, Part] = {}
    missing: list[SourceVideo] = []
    quiet = not any(video.key in known for video in others)
    with progress("checking", len(others), "videos", quiet=quiet) as advance:
        for video in others:
            try:
                found = state.finished(tree.source, video, lambda frames, expected: None)
            except SourceError:
                found = None  # what cannot be read is for the worker to report
            if isinstance(found, Kept):
                kept[video.split, video.name] = found
            elif found is not None:
                parts[video.split, video.name] = found
            else:
                missing.append(video)
            advance()
    # One more video shares its shard with nobody, so it is written where it stays.
    waits = len(missing) + len(parts) > 1 or len(kept) < len(state.numbers)
    ends = Ended({}, {})
    if missing:
        ends = _missing(storage, config, recorded, tree.source, missing, len(kept) + len(parts), waits=waits)
    skipped = tuple(sorted(ends.failed.items()))
    fresh = [video for video in missing if video.title not in ends.failed]
    for video in fresh:
        name = part_name(*video.key)
        text = ends.parts.pop(video.title)
        data = storage.read(name) if text is None else text.encode()
        parts[video.key] = part_from_json(data, f"{storage}/{name}")
    left = {*state.names}
    if leaves_parts(config, waits=waits):
        left |= {part_name(*video.key) for video in fresh}
    else:
        held.enter_context(_left_on_failure(storage, [parts[video.key] for video in fresh]))

    try:
        manifest, packings = _manifest(config, layout, labels, state, kept, parts)
    except SourceError as error:
        if skipped:
            raise SourceError(f"{error} (skipped: {', '.join(name for name, _ in skipped)})") from error
        raise
    if not missing:
        _record(storage, config, recorded)
    _pack(storage, packings, parts)
    manifest = _close(storage, config, state, manifest, kept, parts, left)
    return Summary(
        manifest=manifest,
        reason=layout.reason,
        done=len(fresh),
        frames=sum(parts[video.split, video.name].video.frames for video in fresh),
        seconds=time.monotonic() - started,
        skipped=skipped,
        notes=(
            *(labels.notes if labels is not None else ()),
            *notes(manifest),
            *unlabelled(manifest, labels),
            *unread(tree, layout, config.labels),
            *state.damage,
        ),
    )


def _refuse_shards_in_source(config: PreprocessConfig) -> None:
    """What this stage and others write into a shard set must not become its next source."""
    source, shards = Storage(config.source), Storage(config.shards)
    if source.is_local and shards.is_local:
        outer, inner = Path(config.source).resolve(), Path(config.shards).resolve()
        if inner.is_relative_to(outer):
            raise ConfigError(f"{shards}: lies in the source {source}; choose a folder outside it")


def _check_labels_early(config: PreprocessConfig, layout: Layout, labels: Labels | None) -> None:
    """Before hours of work, where the testing videos are images and so of known length."""
    testing = [] if labels is None else layout.testing()
    if labels is not None and all(video.is_images for video in testing):
        labels.apply(
            [
                Video(
                    name=video.name,
                    split=video.split,
                    frames=len(video.files),
                    source=rate_facts(config.rate),
                    shards=(),
                )
                for video in testing
            ]
        )


def _refuse_other_source(storage: Storage, config: PreprocessConfig, layout: Layout, known: set[Key]) -> None:
    """Videos that vanished from the source leave the set; those of another source must not."""
    gone = known.difference(video.key for video in layout.videos)
    if gone:
        recorded = re.search(r"^source = (.*)$", storage.read(CONFIG).decode(), re.MULTILINE)
        current = re.search(r"^source = (.*)$", recorded_config(config).decode(), re.MULTILINE)
        if recorded and current and recorded[1] != current[1]:
            raise ConfigError(
                f"{storage}: was made from {recorded[1]} and holds videos such as {min(gone)[1]}, which "
                f"{Storage(config.source)} does not have; choose another folder"
            )


def _missing(
    storage: Storage,
    config: PreprocessConfig,
    recorded: bytes | None,
    source: Source,
    videos: list[SourceVideo],
    before: int,
    *,
    waits: bool,
) -> Ended:
    """Bring in what is missing.

    Nothing of the set is touched before all files that are no video at all are known, and room for the rest.

    Raises:
        SourceError: videos cannot be read, and are not to be skipped; or the disk is too small.
    """
    ends = Ended({}, {})
    with crew(min(config.workers, len(videos)), config.stall_seconds) as members:
        left = videos
        if Storage(config.source).is_local:
            found = survey(config, source, videos, members)
            ends.failed.update(found.failed)
            if config.on_error == "fail":
                refuse_failed(ends.failed, len(videos))
            left = [video for video in videos if video.title not in ends.failed]
            require_space(config, left, found.looked, found.planes)
        _record(storage, config, recorded)
        if left:
            decoded = _decode(config, source, left, members, before, waits=waits)
            ends = Ended(ends.failed | decoded.failed, decoded.parts)
    if config.on_error == "fail":
        refuse_failed(ends.failed, len(videos))
    return ends


def _decode(
    config: PreprocessConfig,
    source: Source,
    videos: list[SourceVideo],
    members: list[Worker],
    before: int,
    *,
    waits: bool,
) -> Ended:
    """Decode videos, the largest first.

    One that cannot be read ends the run only when all others have been tried, so that one run names all that
    are to be mended; what it did decode stays for the next.
    """
    by_size = sorted(videos, key=lambda video: -video.size)
    tasks = [task_of(config, source, video, "decode", waits=waits) for video in by_size]
    sizes = {video.title: video.size for video in videos}
    with progress("preprocess", SourceProgress.total(sizes), "MB of source") as advance:
        reached = SourceProgress(sizes, before, advance)
        if config.scheduler is not None:
            outcomes = run_dask(tasks, config.scheduler, config.stall_seconds, reached.on_frames)
        else:
            outcomes = run_pool(tasks, members, reached.on_frames)
        with contextlib.closing(outcomes):
            return ended(outcomes, reached.on_end)


@contextlib.contextmanager
def _left_on_failure(storage: Storage, parts: list[Part]) -> Iterator[None]:
    """Write part files for the next run if the block does not come to its end."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(ShardError):  # what ended the block is what to tell of
            for part in parts:
                storage.write(part_name(part.video.split, part.video.name), part.to_json())
        raise


def _record(storage: Storage, config: PreprocessConfig, recorded: bytes | None) -> None:
    """Write the options beside the shards, if they are not there yet."""
    options = recorded_config(config)
    if recorded != options:
        storage.write(CONFIG, options)


def _manifest(
    config: PreprocessConfig,
    layout: Layout,
    labels: Labels | None,
    state: State,
    kept: dict[Key, Kept],
    parts: dict[Key, Part],
) -> tuple[Manifest, list[Packing]]:
    """The set as it is to be, most of which may be in tables that are there, and shards to make for it."""
    if not kept and not parts:
        raise SourceError(f"{Storage(config.source)}: none of its {len(layout.videos)} videos can be read")
    before = None if state.manifest is None else state.manifest.videos
    staying = {found.number for found in kept.values()}
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
    return manifest, packings


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


def _pack(storage: Storage, packings: list[Packing], parts: dict[Key, Part]) -> None:
    """Make the shards that small videos share, from those that they were written to."""
    waiting = {shard.name: shard for part in parts.values() if part.waits for shard in part.video.shards}
    taken = {record.shard for packing in packings for record in packing.records}
    packings = packings + [alone(shard) for name, shard in waiting.items() if name not in taken]
    with progress("packing", len(packings), "shards", quiet=len(packings) < 2) as advance:
        for packing in packings:
            write_packing(storage, packing, lambda name: f"{PARTS}/{name}" if name in waiting else name)
            advance()


def _close(
    storage: Storage,
    config: PreprocessConfig,
    state: State,
    manifest: Manifest,
    kept: dict[Key, Kept],
    parts: dict[Key, Part],
    left: set[str],
) -> Manifest:
    """Bring the set to its new version in one step; then remove what no version of it holds."""
    before = state.manifest
    # Shards that were made again are younger than the manifest, which must be younger than all.
    if before is not None and not parts and before.to_json() == manifest.to_json():
        manifest = before
    else:
        manifest = write_manifest(storage, manifest)
    stamps = {key: found.stamp for known in (kept, parts) for key, found in known.items()}
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
