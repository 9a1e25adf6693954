"""The stage: recognise, do what is missing or changed, label, and write the manifest last."""

import contextlib
import json
import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.errors import ConfigError, SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.dask_engine import run_dask
from pipeline.preprocess.jobs import PART_SUFFIX, Job, Part, part_from_json, part_name
from pipeline.preprocess.labelfiles import find_labels
from pipeline.preprocess.labels import Labels
from pipeline.preprocess.layouts import recognise
from pipeline.preprocess.notes import notes, unlabelled
from pipeline.preprocess.pool import Outcome, Task, crew, run_pool
from pipeline.preprocess.source import Source, list_tree, natural_key
from pipeline.preprocess.space import require_space
from pipeline.preprocess.state import CONFIG, STAMPS, Key, State, load_state, recorded_config
from pipeline.preprocess.tally import Tally
from pipeline.preprocess.unread import refuse_dangling, unread
from pipeline.preprocess.videos import Layout, SourceVideo, keep_names, video_order
from pipeline.preprocess.worker import Worker
from pipeline.processes.locking import sole
from pipeline.runs.ownership import refuse_foreign_config
from pipeline.terminal.progress import progress
from shards.codec import Codec
from shards.manifest import MANIFEST, Geometry, Manifest, Video
from shards.names import STEM
from shards.storage import Storage

_OURS = re.compile(rf"{STEM}(-\d{{4,}}\.tar|\.part\.json|\.masks\.npz)")
"""Files that only this stage writes, and may remove."""


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
    same bytes. The manifest is there if, and only if, the set is whole.

    Raises:
        UserError: of every kind; what was finished before it stays for the next run.
    """
    with contextlib.ExitStack() as held:
        return _preprocess(config, held)


def _preprocess(config: PreprocessConfig, held: contextlib.ExitStack) -> Summary:
    started = time.monotonic()
    _refuse_shards_in_source(config)
    tree = list_tree(config.source)
    if config.on_error == "fail":
        refuse_dangling(tree)
    layout = recognise(tree, config.dataset, config.split)
    storage = Storage(config.shards)
    held.enter_context(sole("preprocess", storage))
    refuse_foreign_config(storage, "preprocess")
    storage.clear_temporary()
    state = load_state(storage, config)
    layout = keep_names(layout, state.file_names())
    layout, labels = find_labels(tree, layout, config.labels)
    _check_labels_early(layout, labels)
    _refuse_other_source(storage, config, layout, state)

    finished: dict[Key, Part] = {}
    missing: list[SourceVideo] = []
    with progress("checking", len(layout.videos), "videos", quiet=not state.parts) as advance:
        for video in layout.videos:
            try:
                part = state.finished(tree.source, video, lambda frames, expected: None)
            except SourceError:
                part = None  # what cannot be read is for the worker to report
            if part is None:
                missing.append(video)
            else:
                finished[video.split, video.name] = part
            advance()
    if missing:
        require_space(config, tree.source, missing)
        _open_for_work(storage, config, state, finished)
    skipped = _decode(config, tree.source, missing, len(finished)) if missing else ()
    failed = {name for name, _ in skipped}
    for video in missing:
        if video.title not in failed:
            name = part_name(video.split, video.name)
            finished[video.split, video.name] = part_from_json(storage.read(name), f"{storage}/{name}")

    try:
        manifest = _manifest(config, layout, labels, finished)
    except SourceError as error:
        if skipped:
            raise SourceError(f"{error} (skipped: {', '.join(name for name, _ in skipped)})") from error
        raise
    _close(storage, config, manifest, finished)
    fresh = [finished[key].video for v in missing if (key := (v.split, v.name)) in finished]
    return Summary(
        manifest=manifest,
        reason=layout.reason,
        done=len(fresh),
        frames=sum(video.frames for video in fresh),
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


def _check_labels_early(layout: Layout, labels: Labels | None) -> None:
    """Before hours of work, where the testing videos are images and so of known length."""
    testing = layout.testing()
    if labels is not None and all(video.is_images for video in testing):
        labels.apply(
            [
                Video(name=video.name, split=video.split, frames=len(video.files), source={}, shards=())
                for video in testing
            ]
        )


def _refuse_other_source(storage: Storage, config: PreprocessConfig, layout: Layout, state: State) -> None:
    """Videos that vanished from the source leave the set; those of another source must not."""
    there = {(video.split, video.name) for video in layout.videos}
    gone = [name for split, name in state.parts if (split, name) not in there]
    if gone:
        recorded = re.search(r"^source = (.*)$", storage.read(CONFIG).decode(), re.MULTILINE)
        current = re.search(r"^source = (.*)$", recorded_config(config).decode(), re.MULTILINE)
        if recorded and current and recorded[1] != current[1]:
            raise ConfigError(
                f"{storage}: was made from {recorded[1]} and holds videos such as {gone[0]}, which "
                f"{Storage(config.source)} does not have; choose another folder"
            )


def _open_for_work(
    storage: Storage, config: PreprocessConfig, state: State, finished: dict[Key, Part]
) -> None:
    """Take the manifest away before any shard changes; what it knew lives on in part files."""
    storage.write(CONFIG, recorded_config(config))
    if MANIFEST in state.sizes:
        for part in finished.values():
            storage.write(part_name(part.video.split, part.video.name), part.to_json())
        storage.delete(MANIFEST)


def _decode(
    config: PreprocessConfig, source: Source, videos: list[SourceVideo], before: int
) -> tuple[tuple[str, str], ...]:
    """Decode videos, the largest first; returns those that were skipped.

    A video that cannot be read ends the run only when all others have been tried, so that one run names all
    that are to be mended; what it did decode stays for the next. Files that are no video at all are found
    before anything is decoded.

    Raises:
        SourceError: videos cannot be read, and are not to be skipped.
    """
    failed: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        members: list[Worker] = []
        if config.scheduler is None:
            members = stack.enter_context(crew(min(config.workers, len(videos)), config.stall_seconds))
            if Storage(config.source).is_local:
                failed |= _check(config, source, videos, members)
                if config.on_error == "fail":
                    _refuse_failed(failed, len(videos))
        tasks = [
            _task(config, source, video)
            for video in sorted(videos, key=lambda video: -video.size)
            if video.title not in failed
        ]
        sizes = {video.title: video.size for video in videos if video.title not in failed}
        if tasks:
            advance = stack.enter_context(progress("preprocess", Tally.total(sizes), "MB of source"))
            tally = Tally(sizes, before, advance)
            if config.scheduler is not None:
                outcomes = run_dask(tasks, config.scheduler, config.stall_seconds, tally.on_frames)
            else:
                outcomes = run_pool(tasks, members, tally.on_frames)
            failed |= _failures(stack.enter_context(contextlib.closing(outcomes)), tally.on_end)
    if config.on_error == "fail":
        _refuse_failed(failed, len(videos))
    return tuple(sorted(failed.items()))


def _check(
    config: PreprocessConfig, source: Source, videos: list[SourceVideo], members: list[Worker]
) -> dict[str, str]:
    """Open each video file; returns the errors of those that are none, by title."""
    files = sorted((video for video in videos if not video.is_images), key=lambda video: video.size)
    tasks = [_task(config, source, video, is_check=True) for video in files]
    outcomes = run_pool(tasks, members, lambda task, frames, expected: None)
    with contextlib.closing(outcomes):
        return _failures(outcomes, lambda task: None)


def _failures(outcomes: Generator[Outcome, None, None], on_end: Callable[[Task], None]) -> dict[str, str]:
    """The errors of videos that cannot be read, by title; any other error is raised at once."""
    failed: dict[str, str] = {}
    for task, error in outcomes:
        if isinstance(error, SourceError):
            failed[task.name] = str(error)
        elif error is not None:
            raise error
        on_end(task)
    return failed


def _refuse_failed(failed: dict[str, str], videos: int) -> None:
    if len(failed) == 1:
        raise SourceError(next(iter(failed.values())))
    if failed:
        reasons = " | ".join(failed[title] for title in sorted(failed, key=natural_key))
        raise SourceError(f"{len(failed)} of {videos} videos cannot be read: {reasons}")


def _task(config: PreprocessConfig, source: Source, video: SourceVideo, *, is_check: bool = False) -> Task:
    job = Job(
        source=source.location,
        shards=config.shards,
        video=video,
        size=config.size,
        codec=_codec(config),
        window=config.window,
        decoder=config.decoder,
        depth_range=config.depth_range,
        keep_damage=config.on_damage == "keep",
        is_check=is_check,
    )
    return Task(name=video.title, job=job.to_json())


def _codec(config: PreprocessConfig) -> Codec:
    return Codec(name=config.codec, quality=config.quality if config.codec == "jpeg" else None)


def _manifest(
    config: PreprocessConfig, layout: Layout, labels: Labels | None, finished: dict[Key, Part]
) -> Manifest:
    records = [part.video for part in finished.values()]
    if not records:
        raise SourceError(f"{Storage(config.source)}: none of its {len(layout.videos)} videos can be read")
    records.sort(key=lambda video: video_order(video.split, video.name))
    return Manifest(
        dataset=layout.dataset,
        geometry=Geometry(height=config.size[0], width=config.size[1]),
        codec=_codec(config),
        window=config.window,
        videos=tuple(_labelled(records, labels)),
    )


def _labelled(videos: list[Video], labels: Labels | None) -> list[Video]:
    if labels is None:
        return videos
    abnormal = labels.apply([video for video in videos if video.split == "testing"])
    return [
        replace(video, abnormal=abnormal[video.name], label_source=labels.source)
        if video.split == "testing" and video.name in abnormal
        else video
        for video in videos
    ]


def _close(storage: Storage, config: PreprocessConfig, manifest: Manifest, finished: dict[Key, Part]) -> None:
    """Write the manifest and remove everything that is not of the set it describes."""
    kept = {shard.name for video in manifest.videos for shard in video.shards}
    kept |= {video.masks.name for video in manifest.videos if video.masks is not None}
    names = storage.names()
    for name in names:
        if _OURS.fullmatch(name) and name not in kept and not name.endswith(PART_SUFFIX):
            storage.delete(name)
    storage.write(CONFIG, recorded_config(config))
    stamps = {part_name(part.video.split, part.video.name): part.stamp for part in finished.values()}
    storage.write(STAMPS, json.dumps(stamps, sort_keys=True, indent=1).encode())
    data = manifest.to_json()
    if MANIFEST not in names or storage.read(MANIFEST) != data:
        storage.write(MANIFEST, data)
    for name in names:
        if name.endswith(PART_SUFFIX) and _OURS.fullmatch(name):
            storage.delete(name)
    for part in finished.values():
        storage.delete(part_name(part.video.split, part.video.name))
    storage.clear_temporary()
