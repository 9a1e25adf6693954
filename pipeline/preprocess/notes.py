"""What a user should know about the videos of a set, from what its manifest records."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pipeline.preprocess.jobs import MOST_LISTED
from pipeline.preprocess.labels.kinds import IntervalLabels, Labels, TimeLabels
from shards.choices import Split
from shards.manifest import Manifest
from shards.rates import MOST_RATIO, known_rate
from shards.tables import Tables
from shards.text import listed

_NOTHING_TO_SAY = ".*".join(
    [
        r'"complaints": \[\],',
        '"damaged_frames": 0,',
        '"decoder_errors": 0,',
        '"even": true,',
        '"interlaced_frames": 0,',
        '"kind": "video",',
        '"lost_packets": 0,',
        r'"other_tracks": \[\],',
    ]
)
_MOST_TRACKS = 8
_MOST_SIZES = 4
"""Sizes that a line on videos of several names."""
_LENGTH = '"frames_header": (?P<length>[0-9]{1,9}),'
_CAMERA = (
    r'"rate": (?:(?P<rate>(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,20})?)|null), '
    r'"sizes": \[\[0, (?P<height>[0-9]{1,9}), (?P<width>[0-9]{1,9})\]\]'
)
"""What is in the JSON of an ordinary video file, whose keys are sorted. Within a text, the quotes would be
escaped. To look for it in the facts of 100,000 videos takes 0.2 s, to parse them 1.5 s."""


_DAMAGE = "kept with damage"
_MOST_IN_FULL = 20
"""Videos of a run that have a line of their own for a kind of finding; the others are counted."""


class _Note(NamedTuple):
    """A finding about one video.

    Attributes:
        kind: of several videos, in words.
        text: of this one.
    """

    kind: str
    text: str


def notes(manifest: Manifest, new: Collection[tuple[Split, str]] | None = None) -> list[str]:
    """Lines on findings: gaps, strays, header counts, uneven times, damage, tracks that were not read,
    sizes that change, interlaced video, videos too short to use, different cameras in one training set.

    A video that is new has a line for each, the first few of each kind; others are counted by kind, so that a
    run in which nothing is new says little, however large the set is.

    Args:
        manifest: of the set.
        new: split and name of the videos that are new or changed in this run, None for all.
    """
    videos = manifest.videos
    frames = videos.frames
    (length,), (rate, height, width) = (
        videos.gathered(partial(Tables.numbers, column="source", pattern=pattern), np.float64).T
        for pattern in (_LENGTH, _CAMERA)
    )
    is_ordinary = videos.gathered(partial(Tables.matches, column="source", pattern=_NOTHING_TO_SAY), bool)
    is_ordinary &= (frames >= manifest.window) & ((length == 0) | (length == frames)) & ~np.isnan(height)
    numbers = np.flatnonzero(~is_ordinary)
    found: list[str] = []
    rest: dict[tuple[bool, str], list[str]] = {}
    in_full: Counter[str] = Counter()
    titles = videos.select(numbers).titles if len(numbers) else []
    for number, key in zip(numbers.tolist(), titles, strict=True):
        title, facts = "/".join(key), videos.source(number)
        is_new = new is None or key in new
        for kind, text in _of(facts, int(frames[number]), manifest.window):
            if is_new and in_full[kind] < _MOST_IN_FULL:
                in_full[kind] += 1
                found.append(f"{title}: {text}")
            else:
                rest.setdefault((is_new, kind), []).append(title)
        height[number], width[number] = facts["sizes"][0][1:] if facts.get("sizes") else (np.nan, np.nan)
        rate[number] = known_rate(facts.get("rate")) or np.nan
    rate[rate == 0] = np.nan
    training = videos.gathered(partial(Tables.is_of, split="training"), bool)
    names = videos.select(training).names
    return [
        *found,
        *(_rest(is_new, kind, some) for (is_new, kind), some in rest.items()),
        *(
            f"training: {text}"
            for text in (
                *_of_sizes(names, np.stack([height[training], width[training]], axis=1)),
                *_of_rates(names, rate[training]),
            )
        ),
    ]


def _rest(is_new: bool, kind: str, titles: list[str]) -> str:
    """The line on videos that have none of their own."""
    videos = "1 video" if len(titles) == 1 else f"{len(titles)} videos"
    whose = "more of this run" if is_new else "of earlier runs"
    return f"{videos} {whose}: {kind}, such as {titles[0]}"


def _of_depth(depth: dict[str, Any]) -> str:
    used = int(depth["highest"]).bit_length()
    values = f"{depth['lowest']} to {depth['highest']}"
    found = f"its images have {depth['bits']} bits, of which {used} are used: {values}"
    if depth["range"] is None:
        return (
            f"{found}; the highest 8 bits are kept, in which {depth['levels']} gray levels are left; "
            "--depth-range LOW:HIGH maps a range to all 256"
        )
    low, high = depth["range"]
    return f"{found}; {low} to {high} are stored as 0 to 255, in {depth['levels']} gray levels"


def _of(facts: dict[str, Any], frames: int, window: int) -> Iterator[_Note]:
    if facts["kind"] == "images":
        gaps = facts["missing_numbers"]
        if gaps:
            count = sum(last - first + 1 for first, last in gaps) + facts.get("unlisted_missing", 0)
            text = f"{count} numbers are missing from its images, the first {gaps[0][0]}"
            yield _Note("numbers are missing from the images", text)
        if facts["strays"]:
            strays = facts["strays"]
            count = len(strays) + facts.get("unlisted_strays", 0)
            text = f"left out {count} images that are not of the sequence, such as {strays[0]}"
            yield _Note("images that are not of the sequence were left out", text)
        if facts.get("damaged_frames"):  # sets of before did not look
            yield _Note(_DAMAGE, f"kept with damage: {facts['damaged_frames']} damaged frames")
        if "depth" in facts:
            yield _Note("the images have more than 8 bits", _of_depth(facts["depth"]))
    else:
        yield from _of_file(facts, frames)
    sizes = facts.get("sizes", [])
    if len(sizes) > 1:
        found = ", ".join(f"{height}x{width} from frame {first}" for first, height, width in sizes[:4])
        gone = facts.get("packets", frames) - facts.get("discarded", 0) - frames
        lost = f"; {gone} packets gave no frame" if gone > 0 else ""
        some = f"{len(sizes)} sizes or more" if len(sizes) == MOST_LISTED else f"{len(sizes)} sizes"
        text = f"its frames have {some} ({found}); each frame was resized as it is{lost}"
        yield _Note("the frames have several sizes", text)
    if frames < window:
        text = f"{frames} frames are too few for a window of {window}"
        yield _Note(f"there are too few frames for a window of {window}", text)


def unlabelled(manifest: Manifest, labels: Labels | None) -> Iterator[str]:
    """A line on testing videos that the labels say nothing of, where they speak of others."""
    testing = manifest.split("testing")
    without = testing.select(~testing.labelled).names
    if without and len(without) < len(testing):
        yield f"{len(without)} of {len(testing)} testing videos have no labels, such as {without[0]}"
    if isinstance(labels, IntervalLabels | TimeLabels):
        silent = [name for name in testing.names if name not in labels.intervals]
        if silent:
            yield (
                f"{len(silent)} of {len(testing)} testing videos do not appear in {labels.file} and are "
                f"taken as wholly normal, such as {silent[0]}"
            )


def _of_file(facts: dict[str, Any], frames: int) -> Iterator[_Note]:
    others = facts["other_tracks"]
    if others:
        tracks = 1 + len(others)
        unread = listed(others, _MOST_TRACKS)
        text = f"of its {tracks} video tracks stream {facts['track']} was read, not {unread}"
        yield _Note("one of several video tracks was read", text)
    if facts["frames_header"] not in (0, frames):
        text = f"the header says {facts['frames_header']} frames, {frames} were decoded"
        yield _Note("the header says another number of frames", text)
    if "rate_header" in facts:
        rate, header = facts["rate"], facts["rate_header"]
        text = (
            f"its frames come at {rate:g} per second, not at the {header:g} of its header; the former is "
            "recorded"
            if rate
            else f"its header says {header:g} frames per second, which cannot be; no rate is recorded"
        )
        yield _Note("the frames come at another rate than the header says", text)
    if not facts["even"]:
        yield _Note("the frames last unequally long", "its frames last unequally long")
    if facts["interlaced_frames"]:
        yield _Note(
            "interlaced, stored as they are",
            f"interlaced: {facts['interlaced_frames']} of {frames} frames hold two moments in "
            "alternate rows, which combs what moves; they were stored as they are",
        )
    is_damaged = facts["damaged_frames"] or facts["lost_packets"]
    if is_damaged or facts["complaints"]:
        yield _Note(
            _DAMAGE,
            f"kept with damage: {facts['damaged_frames']} damaged frames, {facts['lost_packets']} lost "
            f"packets {'; '.join(facts['complaints'])}".rstrip(),
        )
    if facts["decoder_errors"] and not is_damaged:
        yield _Note(
            "the decoder passed every frame as sound, but reported errors",
            f"its decoder passed every frame as sound, but reported {facts['decoder_errors']} errors, "
            f"the first: {facts['first_decoder_error']}",
        )


# The model learns one normality from all training videos, so they should be of one camera.


def _of_sizes(names: Sequence[str], sizes: np.ndarray) -> Iterator[str]:
    """A line where videos have different sizes (V, 2), NaN where they are not known."""
    known = np.flatnonzero(~np.isnan(sizes[:, 0]))
    height, width = sizes[known].astype(np.int64).T
    _, first, counts = np.unique(height << 32 | width, return_index=True, return_counts=True)
    if len(first) > 1:
        kinds = sorted(zip(first.tolist(), counts.tolist(), strict=True))
        found = [f"{height[at]}x{width[at]} ({_counted(count, names[known[at]])})" for at, count in kinds]
        yield f"its videos have different sizes, as of different cameras: {listed(found, _MOST_SIZES)}"


def _of_rates(names: Sequence[str], rates: np.ndarray) -> Iterator[str]:
    """A line where videos have different rates (V,), NaN where they are not known."""
    if np.isnan(rates).all():
        return
    slow, fast = np.nanmin(rates), np.nanmax(rates)
    if fast > MOST_RATIO * slow:
        slowest = min(names[video] for video in np.flatnonzero(rates == slow).tolist())
        fastest = max(names[video] for video in np.flatnonzero(rates == fast).tolist())
        yield (
            f"its videos run at different rates, {slow:g} ({slowest}) to {fast:g} ({fastest}) frames per "
            "second; every frame was taken, so the same motion is faster in some"
        )


def _counted(videos: int, name: str) -> str:
    return name if videos == 1 else f"{videos} videos such as {name}"
