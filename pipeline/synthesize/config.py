"""Options of the synthetic set."""

from dataclasses import dataclass
from typing import Annotated

from pipeline.options import Argument, Option, check, described, wrong
from pipeline.sizes import SIZE

_LEAST_EDGE = 64
"""Pixels below which a walker of the scene is smaller than the network's stride."""


@described
@dataclass(frozen=True, kw_only=True)
class SynthesizeConfig:
    """What to make."""

    out: Annotated[str, Argument("OUT", "The folder to write, new or empty.")]
    training_clips: Annotated[int, Option("Videos of ordinary life.", "Set", least=1)] = 8
    testing_clips: Annotated[int, Option("Videos with two unusual events each.", "Set", least=1)] = 6
    frames: Annotated[
        int, Option("Frames per video; an event needs some room.", "Set", least=40, metavar="FRAMES")
    ] = 100
    size: Annotated[tuple[int, int], Option("Height and width of frames, pixels.", "Set", custom=SIZE)] = (
        144,
        192,
    )
    seed: Annotated[
        int, Option("Seed of the scenes; the same seed draws the same pixels.", "Set", least=0)
    ] = 0

    def __post_init__(self) -> None:
        check(self)
        if min(self.size) < _LEAST_EDGE:
            raise wrong(self, "size", f"{_LEAST_EDGE}x{_LEAST_EDGE} or more")
