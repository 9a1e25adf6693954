"""The stage: recognise, do what is missing or changed, label, and write the manifest last."""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath

from pipeline.errors import ConfigError, SourceError
from pipeline.preprocess.assembly import FOLDERS, assembled, bring_to, left_on_failure
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.datasets.layouts import recognise
from pipeline.preprocess.decode import decode_missing, record_options
from pipeline.preprocess.jobs import part_name
from pipeline.preprocess.labels.find import find_labels
from pipeline.preprocess.labels.kinds import Labels
from pipeline.preprocess.losses import losses, made_again, refuse_loss
from pipeline.preprocess.notes import notes, unlabelled
from pipeline.preprocess.rates import rate_facts, refuse_rate_of_files, untaken_rate
from pipeline.preprocess.sources.cuts import cuts
from pipeline.preprocess.sources.source import list_tree
from pipeline.preprocess.sources.unread import refuse_dangling, unread
from pipeline.preprocess.sources.videos import Layout, keep_names
from pipeline.preprocess.standing import standing
from pipeline.preprocess.state import Key, load_state, recorded_config
from pipeline.preprocess.tasks import leaves_parts
from pipeline.processes.collecting import rare_collections
from pipeline.processes.locking import sole
from pipeline.runs.ownership import read_config, refuse_foreign_config, refuse_links
from shards.entries import Video
from shards.locations import same_store
from shards.manifest import Manifest
from shards.storage import Storage


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
    refuse_loss(config, layout, state.numbers, {video.key for video in layout.videos})

    there = standing(state, tree.source, layout.videos)
    fresh, failed = decode_missing(storage, config, recorded, tree.source, there)
    left = {*state.names}
    if leaves_parts(config, waits=there.waits):
        left |= {part_name(*key) for key in fresh}
    else:
        held.enter_context(left_on_failure(storage, [*fresh.values()]))

    skipped = tuple(sorted(failed.items()))
    whole = there.with_decoded(fresh)
    if skipped:
        refuse_loss(config, layout, state.numbers, {*whole.kept, *whole.parts})
    try:
        version = assembled(config, layout, labels, state, whole)
    except SourceError as error:
        if skipped:
            raise SourceError(f"{error} (skipped: {', '.join(name for name, _ in skipped)})") from error
        raise
    if not there.missing:
        record_options(storage, config, recorded)
    manifest = bring_to(version, storage, config, state, whole, left)
    return Summary(
        manifest=manifest,
        reason=layout.reason,
        done=len(fresh),
        frames=sum(part.video.frames for part in fresh.values()),
        seconds=time.monotonic() - started,
        skipped=skipped,
        notes=(
            *losses(state, manifest),
            *made_again(state, whole.parts),
            *_ignored(config, layout),
            *(labels.notes if labels is not None else ()),
            *notes(manifest, whole.parts),
            *untaken_rate(config, manifest),
            *unlabelled(manifest, labels),
            *cuts(layout),
            *unread(tree, layout, config.labels),
        ),
    )


def _refuse_shards_in_source(config: PreprocessConfig) -> None:
    """What this stage and others write into a shard set must not become its next source."""
    source, shards = Storage(config.source), Storage(config.shards)
    outer: PurePath
    inner: PurePath
    if source.is_local and shards.is_local:
        outer, inner = Path(config.source).resolve(), Path(config.shards).resolve()
    elif source.can_list and same_store(config.source, config.shards):
        outer, inner = (PurePosixPath(storage.path("")) for storage in (source, shards))
    else:
        return
    if inner.is_relative_to(outer):
        raise ConfigError(f"{shards}: lies in the source {source}; choose a folder outside it")


def _ignored(config: PreprocessConfig, layout: Layout) -> Iterator[str]:
    """A line on an option that has no effect on this source."""
    if layout.is_divided and config.split != PreprocessConfig.split:
        yield f"--split {config.split} was ignored: the source is divided itself ({layout.reason})"


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
        recorded = re.search(r"^source = (.*)$", read_config(storage).decode(), re.MULTILINE)
        current = re.search(r"^source = (.*)$", recorded_config(config).decode(), re.MULTILINE)
        if recorded and current and recorded[1] != current[1]:
            raise ConfigError(
                f"{storage}: was made from {recorded[1]} and holds videos such as {min(gone)[1]}, which "
                f"{Storage(config.source)} does not have; choose another folder"
            )
