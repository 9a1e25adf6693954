"""Options of the synthetic set."""

from dataclasses import dataclass

from pipeline.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class SynthesizeConfig:
    """What to make.

    Attributes:
        out: folder to write, new or empty.
        training_clips, testing_clips: videos per split.
        frames: per video.
        size: frame height and width in pixels.
        seed: the same seed draws the same pixels.
    """

    out: str
    training_clips: int = 8
    testing_clips: int = 6
    frames: int = 100
    size: tuple[int, int] = (144, 192)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.training_clips < 1 or self.testing_clips < 1:
            found = f"{self.training_clips} training and {self.testing_clips} testing clips"
            raise ConfigError(f"found {found}, expected at least one of each")
        if self.frames < 40:
            raise ConfigError(f"found {self.frames} frames per clip, expected 40 or more to hold an event")
        if min(self.size) < 64:
            raise ConfigError(f"found frames of {self.size[0]}x{self.size[1]}, expected 64x64 or more")
