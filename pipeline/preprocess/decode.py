"""Videos that a set lacks, decoded by workers, and what they left: a record for each, or an error."""

import contextlib

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.dask_engine import run_dask
from pipeline.preprocess.jobs import MOST_PART_BYTES, Part, part_name
from pipeline.preprocess.partfiles import part_from_json
from pipeline.preprocess.pool import crew, run_pool
from pipeline.preprocess.sourceprogress import SourceProgress
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.videos import SourceVideo
from pipeline.preprocess.space import require_space, require_space_of_remote
from pipeline.preprocess.standing import Standing
from pipeline.preprocess.state import Key, recorded_config
from pipeline.preprocess.survey import survey
from pipeline.preprocess.tasks import Ended, ended, refuse_failed, task_of
from pipeline.preprocess.worker import Worker
from pipeline.runs.ownership import CONFIG
from pipeline.terminal.progress import progress
from shards.errors import CorruptShardError
from shards.names import video_stem
from shards.storage import Storage
from shards.text import printable


def decode_missing(
    storage: Storage,
    config: PreprocessConfig,
    recorded: bytes | None,
    source: Source,
    standing: Standing,
) -> tuple[dict[Key, Part], dict[str, str]]:
    """Bring in what is missing.

    Nothing of the set is touched before all files that are no video at all are known, and room for the rest.

    Args:
        storage: of the set.
        config: the options.
        recorded: `config.toml` of earlier runs, None if there is none.
        source: of the videos.
        standing: of its videos.

    Returns:
        The record of each video, and the errors of those that cannot be read, by title.

    Raises:
        SourceError: two videos would have files of the same names; or videos cannot be read, and are not to
            be skipped; or the disk is too small.
    """
    videos = standing.missing
    if not videos:
        return {}, {}
    _refuse_shared_stems(source, standing)
    ends = Ended({}, {})
    with crew(min(config.workers, len(videos)), config.stall_seconds) as members:
        left = [*videos]
        if Storage(config.source).is_local:
            found = survey(config, source, left, members)
            ends.failed.update(found.failed)
            if config.on_error == "fail":
                refuse_failed(ends.failed, len(videos))
            left = [video for video in videos if video.title not in ends.failed]
            require_space(config, left, found.looked, found.planes)
        else:
            require_space_of_remote(config, left)
        record_options(storage, config, recorded)
        if left:
            decoded = _decode(config, source, standing, left, members)
            ends = Ended(ends.failed | decoded.failed, decoded.parts)
    if config.on_error == "fail":
        refuse_failed(ends.failed, len(videos))
    done = [video for video in videos if video.title not in ends.failed]
    return {video.key: _part(storage, video, ends.parts.pop(video.title)) for video in done}, ends.failed


def _decode(
    config: PreprocessConfig,
    source: Source,
    standing: Standing,
    videos: list[SourceVideo],
    members: list[Worker],
) -> Ended:
    """Decode videos, the largest first.

    One that cannot be read ends the run only when all others have been tried, so that one run names all that
    are to be mended; what it did decode stays for the next.
    """
    by_size = sorted(videos, key=lambda video: -video.size)
    tasks = [task_of(config, source, video, "decode", waits=standing.waits) for video in by_size]
    sizes = {video.title: video.size for video in videos}
    with progress("preprocess", SourceProgress.total(sizes), "MB of source") as advance:
        reached = SourceProgress(sizes, standing.done, advance)
        if config.scheduler is not None:
            outcomes = run_dask(tasks, config.scheduler, config.stall_seconds, reached.on_frames)
        else:
            outcomes = run_pool(tasks, members, reached.on_frames)
        with contextlib.closing(outcomes):
            return ended(outcomes, reached.on_end)


def _part(storage: Storage, video: SourceVideo, told: str | None) -> Part:
    """The record of a video, which its worker told or left in a part file."""
    name = part_name(*video.key)
    data = storage.read(name, most=MOST_PART_BYTES) if told is None else told.encode()
    part = part_from_json(data, f"{storage}/{name}")
    if (found := (part.video.split, part.video.name)) != video.key:
        raise CorruptShardError(
            f"{storage}/{name}: found the record of {printable('/'.join(found))}, expected that of "
            f"{video.title}; preprocess again"
        )
    return part


def _refuse_shared_stems(source: Source, standing: Standing) -> None:
    """Refuse videos whose files would be called alike: of 100,000 that begin alike there may be two.

    Raises:
        SourceError: names two, of which one is to be decoded.
    """
    fresh: dict[str, SourceVideo] = {}
    for video in standing.missing:
        other = fresh.setdefault(video_stem(*video.key), video)
        if other is not video:
            raise _shared_stem(source, video, other.title)
    for key in (*standing.kept, *standing.parts):
        if (same := fresh.get(video_stem(*key))) is not None:
            raise _shared_stem(source, same, "/".join(key))


def _shared_stem(source: Source, video: SourceVideo, other: str) -> SourceError:
    stem = video_stem(*video.key)
    return SourceError(
        f"{source}: found videos {video.title} and {other}, whose shards would both be called {stem}, "
        "expected names that are told apart; rename one of them"
    )


def record_options(storage: Storage, config: PreprocessConfig, recorded: bytes | None) -> None:
    """Write the options beside the shards, if they are not there yet.

    Args:
        storage: of the set.
        config: the options.
        recorded: what is there, None if there is nothing.
    """
    options = recorded_config(config)
    if recorded != options:
        storage.write(CONFIG, options)
