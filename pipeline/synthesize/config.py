"""Options of the synthetic video."""

from dataclasses import dataclass
from typing import Annotated, Any

from pipeline.options import Argument, Custom, Option, check, declared_as, described, wrong
from pipeline.sizes import SIZE

RECORDING_HOURS = 0.25
"""Hours of one file of the endless video."""

_MOST_HOURS = 10_000
_LEAST_EDGE = 64
"""Pixels below which a walker of the scene is smaller than the network's stride."""


def _hours(given: Any) -> tuple[float, float]:
    """The hours from `3:9` or [3, 9]."""
    parts = given if isinstance(given, list | tuple) else given.split(":")
    start, end = (float(part) for part in parts)
    if not 0 <= start < end <= _MOST_HOURS or start % RECORDING_HOURS or end % RECORDING_HOURS:
        raise ValueError(given)
    return start, end


HOURS = Custom(
    notation="FROM:TO",
    parse=_hours,
    expected="FROM:TO as 3:9, in quarters of an hour, 0 <= FROM < TO",
    show=lambda hours: f"{hours[0]:g}:{hours[1]:g}",
)
"""How --hours is written."""


@described
@dataclass(frozen=True, kw_only=True)
class SynthesizeConfig:
    """What to draw."""

    out: Annotated[str, Argument("OUT", "The folder to write, new or empty.")]
    size: Annotated[tuple[int, int], Option("Height and width of frames, pixels.", "Camera", custom=SIZE)] = (
        144,
        192,
    )
    rate: Annotated[int, Option("Frames per second.", "Camera", least=1, most=60, metavar="FRAMES/S")] = 15
    person_height: Annotated[
        float,
        Option(
            "Height of people, as a part of the frame's.", "Camera", least=0.03, most=0.5, metavar="SHARE"
        ),
    ] = 0.22
    seed: Annotated[
        int, Option("Seed of all that is drawn; the same seed draws the same pixels.", "Camera", least=0)
    ] = 0
    training_clips: Annotated[int, Option("Videos in which nothing unusual happens.", "Clips", least=1)] = 8
    testing_clips: Annotated[int, Option("Videos with two unusual events each.", "Clips", least=1)] = 6
    frames: Annotated[
        int, Option("Frames per video; an event needs some room.", "Clips", least=40, metavar="FRAMES")
    ] = 100
    hours: Annotated[
        tuple[float, float] | None,
        Option(
            "Draws these hours of the camera's endless video, one file for each quarter, in place of "
            "clips. A run that was killed is taken up by the same command.",
            "Endless video",
            custom=HOURS,
        ),
    ] = None
    events_per_hour: Annotated[
        float,
        Option(
            "Unusual events in each of those hours, which labels.csv lists.",
            "Endless video",
            least=0,
            most=40,
            metavar="NUMBER",
        ),
    ] = 0.0

    def __post_init__(self) -> None:
        check(self)
        if min(self.size) < _LEAST_EDGE:
            raise wrong(self, "size", f"{_LEAST_EDGE}x{_LEAST_EDGE} or more")
        if self.hours is None and self.events_per_hour:
            raise wrong(self, "events_per_hour", "0 without --hours, for clips have events of their own")
        for name in ("training_clips", "testing_clips", "frames") if self.hours is not None else ():
            if getattr(self, name) != declared_as(SynthesizeConfig, name).default:
                raise wrong(self, name, "none with --hours, which are no clips")
