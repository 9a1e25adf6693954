"""Folders of images that hold several sequences, each of which a person may have meant as a video."""

import itertools
import re
from collections.abc import Iterator

from pipeline.preprocess.sources.videos import Layout, SourceVideo
from pipeline.video.sequence import are_decimals
from shards.text import listed, printable

_MOST = 3
"""Folders that the line names."""
_LAST = re.compile(r"((?:.*\D)?)(\d+)\D*")
"""The last whole number of a name, and what stands before it."""
_CLOCK = re.compile(r"\d{8}|\d{4}\D\d\d\D\d\d|\d\d?\D\d\d\D\d\d\D$")
"""A date, or a time of day before a number: this starts again at each second or midnight, as in
`2024-05-01_10-00-59.250`."""
_MINUTE = re.compile(r"\d\D\d\d\D$")
"""Hour and minute before a number, which are that if it stays below 60."""


def cuts(layout: Layout) -> Iterator[str]:
    """A line on folders in which the frames are counted anew, as of two cameras: `cam1_099`, `cam2_000`."""
    found = [(video, cut) for video in layout.videos if video.is_images and (cut := _cut(video)) is not None]
    if found:
        one = len(found) == 1
        named = [f"{video.title} ({printable(a)}, then {printable(b)})" for video, (a, b) in found]
        yield (
            f"{len(found)} folder{'' if one else 's'} of images {'holds' if one else 'hold'} several "
            f"sequences, read as one video with a cut after each: {listed(named, _MOST)}; give each a "
            "folder of its own if they are of several cameras or times"
        )


def _cut(video: SourceVideo) -> tuple[str, str] | None:
    """The names around the first place where a number starts again behind other words; None without one."""
    names = [file.path.rpartition("/")[2].rpartition(".")[0] for file in video.files]
    parts = [(match[1], int(match[2])) for name in names if (match := _LAST.fullmatch(name))]
    words = {word for word, _ in parts}
    # A sequence has frames: names in which each number stands behind other words are no sequences.
    if len(parts) < len(names) or not 1 < len(words) <= len(names) / 2:
        return None
    restarts = [
        number
        for number, ((word, before), (other, after)) in enumerate(itertools.pairwise(parts))
        if word != other and after <= before
    ]
    highest = max(number for _, number in parts)
    is_time = all(_CLOCK.search(word) or (highest < 60 and _MINUTE.search(word)) for word in words)
    if not restarts or is_time or are_decimals(names):
        return None
    first = restarts[0]
    return video.files[first].name, video.files[first + 1].name
