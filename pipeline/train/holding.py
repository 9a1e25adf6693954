"""What of the training videos a run keeps aside, at what rate the others run, and what is said about both."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.errors import ConfigError
from pipeline.runs.layout import checkpoint_steps
from pipeline.runs.ownership import CONFIG, recorded_options
from pipeline.runs.trainedon import Depth, common_depth
from pipeline.train.config import HOLD_OUT, HoldOut, TrainConfig
from shards.entries import Video
from shards.holdout import HeldOut, hold_out
from shards.manifest import Manifest
from shards.rates import MOST_RATIO, common_rate, rate_of
from shards.storage import Storage
from shards.text import listed

OWN_VIDEO = "folder"
"""The dataset of whoever trains on video of their own; figures for the others are published for all of it."""
AUTO_SHARE = 0.2
BEFORE = 0.0
"""What runs kept aside that are older than the option."""
LEAST_FRAMES = 500
"""The fewest frames of one's own video of which a share is kept aside unasked: a fifth of fewer frames would
tell nothing."""
_MOST_NAMES = 5


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What a run keeps aside.

    Attributes:
        asked: by the option.
        share: of the frames, `auto` resolved.
        videos: of the training split.
        held_out: what is kept aside of them.
    """

    asked: HoldOut
    share: float
    videos: Sequence[Video]
    held_out: tuple[HeldOut, ...]

    @property
    def trained(self) -> list[Video]:
        """The videos of which at least a part is trained on."""
        whole = {part.video for part in self.held_out if part.start == 0}
        return [video for video in self.videos if video.name not in whole]

    @property
    def rate(self) -> float | None:
        """Frames per second of what is trained on; None where it is unknown, or videos differ."""
        return common_rate(self.trained)

    @property
    def depth(self) -> Depth | None:
        """What was made of 16-bit images that are trained on, see `trained_on`."""
        return common_depth(video.source for video in self.trained)

    @property
    def notes(self) -> list[str]:
        """A line on what is kept aside, and one on the rate if there is none."""
        unknown = [] if self.rate is not None else [_why_no_rate(self.trained)]
        return [self._kept_aside(), *unknown]

    def _kept_aside(self) -> str:
        given = f"auto, which is {self.share:g} here" if self.asked == "auto" else f"{self.share:g}"
        option = f"--hold-out {given}"
        if not self.held_out:
            return f"{option}: nothing is kept aside" + (
                ", for every video is too short" if self.share else ""
            )
        total = sum(video.frames for video in self.videos)
        frames = f"{sum(part.frames for part in self.held_out)} of {total} frames"
        count = f"{len(self.held_out)} of {len(self.videos)} training videos"
        if any(part.start for part in self.held_out):
            gaps = _gaps([part.gap for part in self.held_out], common_rate(self.videos))
            return f"{option}: kept aside the end of {count}, {frames}, after {gaps}"
        names = [part.video for part in self.held_out]
        return f"{option}: kept aside {count}, {frames}: {listed(names, _MOST_NAMES)}"


def _gaps(gaps: Sequence[int], rate: float | None) -> str:
    """How long they are, in seconds where the rate is known."""
    unit = "frames" if rate is None else "s"
    low, high = (f"{gap / (rate or 1):.4g}" for gap in (min(gaps), max(gaps)))
    return f"a gap of {low} {unit}" if low == high else f"gaps of {low} to {high} {unit}"


def _why_no_rate(videos: Sequence[Video]) -> str:
    rates = [rate for video in videos if (rate := rate_of(video)) is not None]
    if len(rates) == len(videos):
        return (
            f"no frame rate is recorded: the training videos run at {min(rates):g} to {max(rates):g} frames "
            f"per second, more than {MOST_RATIO - 1:.0%} apart"
        )
    first = next(video.name for video in videos if rate_of(video) is None)
    return (
        f"no frame rate is recorded: {len(videos) - len(rates)} of {len(videos)} training videos have none, "
        f"such as {first}; preprocess --rate gives one to folders of images"
    )


def holding(config: TrainConfig, run: Storage, manifest: Manifest, videos: Sequence[Video]) -> Holding:
    """What a run keeps aside: the same for each of its processes, and whenever it is resumed.

    Args:
        config: of the run.
        run: its folder.
        manifest: of the set.
        videos: of its training split.

    Raises:
        ConfigError: what the run that is there says is not a share.
    """
    share = _auto(run, manifest, videos) if config.hold_out == "auto" else config.hold_out
    return Holding(
        asked=config.hold_out,
        share=share,
        videos=videos,
        held_out=hold_out(videos, share=share, seed=config.seed, window=manifest.window),
    )


def _auto(run: Storage, manifest: Manifest, videos: Sequence[Video]) -> float:
    """What a resumed run had; a fifth of one's own video, if that is not too little; else nothing."""
    options = recorded_options(run, "train")
    if options is not None and checkpoint_steps(run):
        return _recorded(options.get("hold_out", BEFORE), run)
    is_own = manifest.dataset == OWN_VIDEO
    return AUTO_SHARE if is_own and sum(video.frames for video in videos) >= LEAST_FRAMES else 0.0


def _recorded(value: object, run: Storage) -> float:
    try:
        share = HOLD_OUT.parse(value)
    except (TypeError, ValueError):
        share = None
    if not isinstance(share, float):
        raise ConfigError(
            f"{run}/{CONFIG}: found hold_out {value!r:.100}, expected {HOLD_OUT.expected}; "
            "give --hold-out, or train into another run"
        )
    return share
