"""Where the results of an evaluation go, and that nothing else lies or happens there."""

from pathlib import Path

from pipeline.config import dump_config
from pipeline.errors import BusyError, ConfigError
from pipeline.evaluate.config import EvaluateConfig
from pipeline.evaluate.job import Job
from pipeline.processes.distributed import Process, from_first, together
from pipeline.report import plotfiles
from pipeline.runs.evaluation import RECORD
from pipeline.runs.ownership import CONFIG, recorded_options, refuse_foreign_folder, refuse_links
from pipeline.scoring import earlier, exhibits, maps, parts
from shards import locations
from shards.names import video_stem
from shards.storage import Storage

COMMAND = "evaluate"
FOLDERS = (parts.FOLDER, exhibits.FOLDER, plotfiles.FOLDER, maps.FOLDER, earlier.FOLDER)


def open_target(config: EvaluateConfig, process: Process) -> Storage:
    """Where the results go: beside those of another set of the same name, if they are there."""
    with together(process):
        out = Storage(config.output())
        told_apart = process.is_first and _is_of_another_set(config, out)
    return Storage(config.output(told_apart=True)) if from_first(told_apart, process) else out


def _is_of_another_set(config: EvaluateConfig, out: Storage) -> bool:
    """Whether the folder named after the shard set holds an evaluation of another set of that name."""
    if config.out is not None:
        return False  # whoever names a folder may evaluate one set after the other into it
    options = recorded_options(out, COMMAND)
    return options is not None and options.get("shards") != locations.shown(locations.absolute(config.shards))


def claim(config: EvaluateConfig, out: Storage) -> None:
    """Check that results may be written to `out`, and that files there may be removed; its lock is held.

    Raises:
        ConfigError: there is something else in the folder, or a link leads out of it.
        BusyError: an evaluation of another set of the same name has just been there.
    """
    if not out.can_list:
        raise ConfigError(f"{out}: a web server takes no results; name a folder or bucket with --out")
    # A folder that somebody named may be a link of theirs; one in a run may be a link of the run's maker.
    if config.out is None and out.is_local and Path(out.path("")).is_symlink():
        raise ConfigError(f"{out}: found a link, expected a folder of the run; remove it or give --out")
    refuse_links(out, FOLDERS)
    refuse_foreign_folder(out, COMMAND)
    if str(out) == locations.shown(config.output()) and _is_of_another_set(config, out):
        raise BusyError(
            f"{out}: an evaluation of another set of that name has just begun; run the same command again"
        )
    for folder in ("", *FOLDERS):
        out.clear_temporary(folder)


def clear(job: Job) -> None:
    """Leave the parts that this work goes on from: of one that is whole none, for it was asked for again.

    Of an evaluation of another version of the set, what can be taken from it is kept aside.
    """
    out, provenance = job.out, job.provenance
    finished = out.exists(RECORD)
    stale = parts.stale_parts(out, None if finished else provenance)
    goes_on = earlier.set_aside(out, stale, job.works, provenance.manifest_sha256 if finished else None)
    out.delete(RECORD)
    out.write(CONFIG, dump_config(COMMAND, job.config).encode())
    for name in stale:
        out.delete(name)
    exhibits.delete_without_part(out)
    stems = (video_stem(job.split, name) for name in job.videos.names)
    is_kept = job.config.maps and goes_on
    maps.delete_maps(out, dict(zip(stems, job.works, strict=True)) if is_kept else {})
