"""What of a split's videos is kept aside, so that normal video is left which no model has seen.

Pure functions of the videos' lengths, their rates and a seed; how many processes train plays no part.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shards.entries import Video
from shards.rates import rate_of
from shards.rows import Segments, Videos

LEAST_VIDEOS = 4
"""The fewest videos of which whole ones can be kept aside: two of them, and as many stay to train on."""
GAP_SECONDS = 60.0
"""Seconds between what is trained on and what is kept aside of one video: frames in a row look much the
same."""
ASSUMED_RATE = 25.0
"""Frames per second for the length of the gap, where they are unknown."""
_PURPOSE = 3
"""What random numbers are for; those of `shards.plan` are 0 to 2."""

_NO_END = 2**62
"""The end, as a frame number, of a video of which nothing is kept aside: no frame has this number."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Frames of a video that are kept aside.

    Attributes:
        video: its name, within the split.
        start, end: the frames [start, end).
        gap: frames right before them that are not trained on either, for they look much the same.
    """

    video: str
    start: int
    end: int
    gap: int = 0

    @property
    def frames(self) -> int:
        """How many are kept aside, the gap not counted."""
        return self.end - self.start


def hold_out(videos: Sequence[Video], *, share: float, seed: int, window: int) -> tuple[HeldOut, ...]:
    """What to keep aside: whole videos, or the last part of each where they are too few for that.

    Whole ones are drawn where there are LEAST_VIDEOS, of which one is not more than the share on average.
    They are at least two, and miss the share by the length of one video at most. Of other videos the last
    part of each is kept, after a gap of GAP_SECONDS, or of half the part if that is shorter.

    Args:
        videos: of the split.
        share: of their frames, 0 to 0.5.
        seed: of the draw.
        window: T; a video of fewer frames is of no use and is not kept aside.

    Returns:
        What is kept aside, in the order of the videos.
    """
    usable = [index for index, video in enumerate(videos) if video.frames >= window]
    if share == 0:
        return ()
    if len(usable) >= LEAST_VIDEOS and share * len(usable) >= 1:
        frames = {index: videos[index].frames for index in usable}
        chosen = _drawn(frames, share, seed)
        return tuple(
            HeldOut(video=videos[index].name, start=0, end=videos[index].frames) for index in sorted(chosen)
        )
    ends = (_last_part(videos[index], share, window) for index in usable)
    return tuple(end for end in ends if end is not None)


def _drawn(frames: dict[int, int], share: float, seed: int) -> list[int]:
    """At least two of the videos whose frames are given, with about `share` of all their frames."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PURPOSE,)))
    order = rng.permutation(list(frames)).tolist()
    target = share * sum(frames.values())
    chosen: list[int] = []
    held = 0
    for index in order:
        if frames[index] < 2 * (target - held):  # nearer to the target with it than without
            chosen.append(index)
            held += frames[index]
    if len(chosen) < 2:
        chosen.append(min((i for i in order if i not in chosen), key=lambda index: frames[index]))
    return chosen


def _last_part(video: Video, share: float, window: int) -> HeldOut | None:
    """The last part of a video; None where it, or what would be left, holds no window."""
    held = round(share * video.frames)
    gap = int(min(GAP_SECONDS * (rate_of(video) or ASSUMED_RATE), held / 2))
    start = video.frames - held
    if min(held, start - gap) < window:
        return None
    return HeldOut(video=video.name, start=start, end=video.frames, gap=gap)


def remaining(segments: Segments, videos: Videos, held_out: Sequence[HeldOut], window: int) -> Segments:
    """The segments with only those of their windows in which no frame is kept aside or of a gap.

    Segments that have none left because of it are left out.

    Args:
        segments: of the split, from `Manifest.segments`.
        videos: of the split.
        held_out: what is kept aside of them.
        window: T of the segments' windows.
    """
    if not held_out:
        return segments
    ends = {part.video: part.start - part.gap for part in held_out}
    names = videos.names
    end = np.array([ends.get(name, _NO_END) for name in names], np.int64)[segments.video]
    windows = np.minimum(segments.windows, end - window + 1 - segments.column("first"))
    return segments.select((end == _NO_END) | (windows > 0), windows)
