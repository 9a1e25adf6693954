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
    events = [event for folder in folders(config.folder) for event in read_events(Storage(str(folder)))]
    return selected(events, since=since, camera=config.camera)


def folders(location: str) -> list[Path]:
    """The folders with a log: one itself, or those in it, by name.

    Raises:
        SourceError: there is none.
    """
    folder = Path(location)
    logs = sorted(path for path in (folder / LOG, *folder.glob(f"*/{LOG}")) if path.is_file())
    if not logs:
        raise SourceError(
            f"{locations.shown(location)}: found no {LOG}, expected one in it or in a folder in it; "
            "give a folder that score or watch wrote with a calibration"
        )
    return [log.parent for log in logs]
