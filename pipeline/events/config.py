"""Options of `events`."""

from dataclasses import dataclass
from typing import Annotated

from pipeline.options import Argument, Option, check, described


@described
@dataclass(frozen=True, kw_only=True)
class EventsConfig:
    """Which events to list."""

    folder: Annotated[
        str, Argument("DIR", "A folder that score or watch wrote, or that of one video or camera in it.")
    ]
    since: Annotated[
        str | None,
        Option(
            "Leaves out what was over before that long ago, as 90s, 30m, 36h or 2d, and events of files, "
            "which have no clock.",
            "Which",
            metavar="TIME",
        ),
    ] = None
    camera: Annotated[
        str | None, Option("Lists those of one camera or video alone.", "Which", metavar="NAME")
    ] = None
    json: Annotated[bool, Option("Prints one event a line, as JSON.", "How")] = False

    def __post_init__(self) -> None:
        check(self)
