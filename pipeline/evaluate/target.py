"""Where the results of an evaluation go, and that nothing else lies or happens there."""

from pathlib import Path

from pipeline.errors import BusyError, ConfigError
from pipeline.evaluate import exhibits, maps, plotfiles, scores
from pipeline.evaluate.config import EvaluateConfig
from pipeline.runs.ownership import recorded_options, refuse_foreign_folder, refuse_links
from shards import locations
from shards.storage import Storage

COMMAND = "evaluate"
FOLDERS = (scores.FOLDER, exhibits.FOLDER, plotfiles.FOLDER, maps.FOLDER)


def is_taken(config: EvaluateConfig) -> bool:
    """Whether the folder named after the shard set holds an evaluation of another set of that name."""
    if config.out is not None:
        return False  # whoever names a folder may evaluate one set after the other into it
    options = recorded_options(Storage(config.output()), COMMAND)
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
    if str(out) == str(Storage(config.output())) and is_taken(config):
        raise BusyError(
            f"{out}: an evaluation of another set of that name has just begun; run the same command again"
        )
    for folder in ("", *FOLDERS):
        out.clear_temporary(folder)
