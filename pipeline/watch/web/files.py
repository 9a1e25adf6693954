"""Clips and thumbnails: files that an event names, inside the folder of its camera, and no others."""

from pathlib import Path
from typing import Literal

from pipeline.events.event import Event
from pipeline.watch import normal

Part = Literal["clip", "thumbnail"]
_TYPES = {
    ".jpg": "image/jpeg",
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".mkv": "video/x-matroska",
    ".ts": "video/mp2t",
}


def file_of(folder: Path, event: Event, part: Part) -> tuple[Path, str] | None:
    """Where a file of an event lies, and its media type; None if there is none, or it is none to give away.

    Args:
        folder: of the results of the camera.
        event: that names it.
        part: which.
    """
    name = event.files.clip if part == "clip" else event.files.thumbnail
    if name is None:
        return None
    names = (name, f"{normal.FOLDER}/{Path(name).name}") if part == "clip" else (name,)
    return next((found for each in names if (found := _file(folder.resolve(), each)) is not None), None)


def _file(home: Path, name: str) -> tuple[Path, str] | None:
    try:
        path = (home / name).resolve()
        is_there = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return None
    kind = _TYPES.get(path.suffix)
    return (path, kind) if is_there and kind is not None and path.is_relative_to(home) else None
