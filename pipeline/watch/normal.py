"""Clips of events that a person has called normal, which retention leaves alone: video to train on next."""

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from pipeline.events.event import Event
from pipeline.scoring.happenings import CLIPS
from shards.errors import StorageError, os_error_line
from shards.storage import TEMPORARY_PREFIX

FOLDER = "normal"

logger = logging.getLogger(__name__)


def keep(folder: Path, event: Event) -> None:
    """Have the clip of an event there if it was called normal, and not there otherwise.

    A clip that has gone from `clips/` meanwhile goes with the label.

    Args:
        folder: of the camera.
        event: as it is now.

    Raises:
        StorageError: the clip cannot be linked, copied or removed.
    """
    if event.files.clip is None:
        return
    clip = folder / CLIPS / Path(event.files.clip).name
    kept = folder / FOLDER / clip.name
    try:
        if event.label != "normal":
            kept.unlink(missing_ok=True)
        elif clip.is_file() and not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            _link(clip, kept)
    except OSError as error:
        raise StorageError(os_error_line(error)) from error


def keep_all(folder: Path, events: Iterable[Event]) -> None:
    """The same of all events, as far as it can be done, for a program may have been killed in between."""
    for event in events:
        try:
            keep(folder, event)
        except StorageError as error:
            logger.warning("%s", error)


def _link(source: Path, target: Path) -> None:
    """A second name of a file, which takes no space; a copy where the file system has none."""
    made = target.with_name(f"{TEMPORARY_PREFIX}{target.name}")
    made.unlink(missing_ok=True)
    try:
        os.link(source, made)
    except OSError:
        shutil.copyfile(source, made)
    made.replace(target)
