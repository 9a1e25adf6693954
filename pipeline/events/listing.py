"""The events of a folder, or of the folders in it."""

from datetime import datetime
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.events.config import EventsConfig
from pipeline.events.duration import duration
from pipeline.events.event import Event
from pipeline.events.log import LOG, read_events
from pipeline.events.select import selected
from shards import locations
from shards.storage import Storage


def listed(config: EventsConfig, now: datetime) -> list[Event]:
    """The events that are asked for: of each folder in the order in which they began, folders by name.

    Args:
        config: which.
        now: with zone.

    Raises:
        ConfigError: `since` is no length of time.
        SourceError: there is no log, or a damaged one.
        StorageError: one cannot be read.
    """
    since = None if config.since is None else now - duration(config.since)
    logs = sorted(_logs(Path(config.folder)))
    if not logs:
        raise SourceError(
            f"{locations.shown(config.folder)}: found no {LOG}, expected one in it or in a folder in it; "
            "give a folder that score wrote with a calibration"
        )
    events = [event for log in logs for event in read_events(Storage(str(log.parent)))]
    return selected(events, since=since, camera=config.camera)


def _logs(folder: Path) -> list[Path]:
    return [path for path in (folder / LOG, *folder.glob(f"*/{LOG}")) if path.is_file()]
