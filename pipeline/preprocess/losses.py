"""Videos and labels that a set has no more: what is said of them, and losses that are refused."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterator
from typing import NamedTuple

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.sources.videos import Layout
from pipeline.preprocess.state import Key, State
from shards.manifest import Manifest
from shards.names import video_order
from shards.storage import Storage
from shards.text import listed

_FEW = 3
"""Videos that may leave a set, whatever their share: the note names them all, so that a person sees at once
whether they were removed on purpose."""

_MOST_FILES = 20
"""Damaged files of a set that have a line each."""


class _Loss(NamedTuple):
    """A loss that is too large to be told afterwards.

    Attributes:
        what: is lost, in words.
        videos: which.
        expected: what would be right, in words.
    """

    what: str
    videos: list[Key]
    expected: str


def refuse_loss(
    config: PreprocessConfig, layout: Layout, before: Collection[Key], staying: Collection[Key]
) -> None:
    """Keep a set from being emptied by what is no decision: a folder that is not mounted, a folder `test`
    that divides the source in another way, a disk that gives errors.

    Args:
        config: the options.
        layout: of the source.
        before: the videos of the set.
        staying: those that are there and can be read, as far as is known.

    Raises:
        SourceError: most of the set would leave it, or all of a split, and --shrink was not given.
    """
    loss = None if config.shrink else _loss(layout, before, staying)
    if loss is not None:
        raise SourceError(
            f"{Storage(config.source)}: {loss.what} of {Storage(config.shards)} cannot be found or read "
            f"({_named(loss.videos)}); expected {loss.expected} in the source, which is read as "
            f"{layout.reason}; mount what is missing or undo what changed the layout, or let these videos "
            "leave the set with --shrink"
        )


def _loss(layout: Layout, before: Collection[Key], staying: Collection[Key]) -> _Loss | None:
    gone = [key for key in before if key not in staying]
    if not gone:
        return None
    splits = Counter(split for split, _ in before)
    is_divided_anew = splits.keys().isdisjoint({video.split for video in layout.videos})
    for split, count in splits.items():
        mine = [key for key in gone if key[0] == split]
        if len(mine) == count and (count > 1 or is_divided_anew):
            many = f"all {count} {split} videos" if count > 1 else f"the only {split} video"
            return _Loss(many, mine, "at least one" if count > 1 else "it")
    if len(gone) > _FEW and 2 * len(gone) > len(before):
        return _Loss(f"{len(gone)} of {len(before)} videos", gone, "at least half of them")
    return None


def losses(before: State, now: Manifest) -> Iterator[str]:
    """A line each on videos that left the set, and on testing videos that have lost their labels."""
    if before.manifest is None or before.manifest is now:
        return
    videos = now.videos
    titles = videos.titles
    gone = [*before.numbers.keys() - set(titles)]
    if gone:
        yield (
            f"{len(gone)} of {len(before.numbers)} videos left the set, no longer found in the source or not "
            f"readable: {_named(gone)}"
        )
    keys = [*before.numbers]
    had = {keys[number] for number in before.manifest.videos.labelled.nonzero()[0].tolist()}
    bare = [titles[number] for number in (~videos.labelled).nonzero()[0].tolist()] if had else []
    without = [key for key in bare if key in had]
    if without:
        yield f"{len(without)} testing videos had labels before and have none now: {_named(without)}"


def made_again(before: State, parts: Collection[Key]) -> Iterator[str]:
    """What was damaged in a set and is made again: a line for each file of the set's own, as far as these are
    few, and one for all videos whose shards were.

    Args:
        before: the set as it was.
        parts: the videos that were decoded since its manifest was written.
    """
    yield from before.damage[:_MOST_FILES]
    if len(before.damage) > _MOST_FILES:
        yield f"{len(before.damage) - _MOST_FILES} more files in the set were damaged and are made again"
    again = before.harmed().intersection(parts)
    if again:
        yield (
            f"{len(again)} video{'' if len(again) == 1 else 's'} decoded again, because files of the set "
            f"with their frames or masks were gone, cut short or touched: {_named(again)}"
        )


def _named(videos: Collection[Key]) -> str:
    """The first few of some videos."""
    first = heapq.nsmallest(_FEW, videos, key=lambda key: video_order(*key))
    return listed(["/".join(key) for key in first], _FEW, len(videos))
