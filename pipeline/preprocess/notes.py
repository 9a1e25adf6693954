"""What a user should know about the videos of a set, from what its manifest records."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pipeline.preprocess.labels.kinds import IntervalLabels, Labels, TimeLabels
from shards.manifest import Manifest
from shards.rates import MOST_RATIO, known_rate

_NOTHING_TO_SAY = (
    '"complaints": [],',
    '"damaged_frames": 0,',
    '"decoder_errors": 0,',
    '"even": true,',
    '"interlaced_frames": 0,',
    '"kind": "video",',
    '"lost_packets": 0,',
    '"other_tracks": [],',
)
"""What is in the JSON of an ordinary video file, beside its length, size and rate. Within a text, the quotes
would be escaped. To look for it in the facts of 100,000 videos takes 0.3 s, to parse them 3 s."""
_LENGTH = re.compile('"frames_header": ([0-9]{1,9}),')
_RATE = re.compile(r'"rate": ((?:0|[1-9][0-9]{0,8})(?:\.[0-9]{1,20})?|null),')
_SIZE = re.compile(r'"sizes": \[\[0, ([0-9]{1,9}), ([0-9]{1,9})\]\]')
_Seen = tuple[str, Sequence[Sequence[int]], float | None]
"""Name, first size if it is known, and rate of a video."""


def notes(manifest: Manifest) -> list[str]:
    """One line per finding: gaps, strays, header counts, uneven times, damage, tracks that were not read,
    sizes that change, interlaced video, videos too short to use, different cameras in one training set."""
    videos = manifest.videos
    found: list[str] = []
    seen: list[_Seen] = []
    rows = zip(videos.titles, videos.frames.tolist(), videos.source_texts, strict=True)
    for number, ((split, name), frames, text) in enumerate(rows):
        ordinary = _of_ordinary(text, frames) if frames >= manifest.window else None
        if ordinary is None:
            facts = videos.source(number)
            found += [f"{split}/{name}: {note}" for note in _of(facts, frames, manifest.window)]
            ordinary = tuple(facts.get("sizes", [])[:1]), known_rate(facts.get("rate"))
        if split == "training":
            seen.append((name, *ordinary))
    return found + [f"training: {text}" for text in _of_cameras(seen)]


def _of_ordinary(text: str, frames: int) -> tuple[Sequence[Sequence[int]], float | None] | None:
    """First size and rate of a video file of which there is nothing else to say; None if there may be.

    Args:
        text: what it was made from, in JSON.
        frames: that were decoded.
    """
    length, rate, size = (pattern.search(text) for pattern in (_LENGTH, _RATE, _SIZE))
    if length is None or rate is None or size is None or int(length[1]) not in (0, frames):
        return None
    if not all(part in text for part in _NOTHING_TO_SAY):
        return None
    return ((0, int(size[1]), int(size[2])),), known_rate(json.loads(rate[1]))


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


def _of(facts: dict[str, Any], frames: int, window: int) -> Iterator[str]:
    if facts["kind"] == "images":
        gaps = facts["missing_numbers"]
        if gaps:
            count = sum(last - first + 1 for first, last in gaps)
            yield f"{count} numbers are missing from its images, the first {gaps[0][0]}"
        if facts["strays"]:
            strays = facts["strays"]
            yield f"left out {len(strays)} images that are not of the sequence, such as {strays[0]}"
        if facts.get("damaged_frames"):  # sets of before did not look
            yield f"kept with damage: {facts['damaged_frames']} damaged frames"
        if "depth" in facts:
            yield _of_depth(facts["depth"])
    else:
        yield from _of_file(facts, frames)
    sizes = facts.get("sizes", [])
    if len(sizes) > 1:
        found = ", ".join(f"{height}x{width} from frame {first}" for first, height, width in sizes[:4])
        gone = facts.get("packets", frames) - facts.get("discarded", 0) - frames
        lost = f"; {gone} packets gave no frame" if gone > 0 else ""
        yield f"its frames have {len(sizes)} sizes ({found}); each frame was resized as it is{lost}"
    if frames < window:
        yield f"{frames} frames are too few for a window of {window}"


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


def _of_file(facts: dict[str, Any], frames: int) -> Iterator[str]:
    others = facts["other_tracks"]
    if others:
        tracks = 1 + len(others)
        yield f"of its {tracks} video tracks stream {facts['track']} was read, not {', '.join(others)}"
    if facts["frames_header"] not in (0, frames):
        yield f"the header says {facts['frames_header']} frames, {frames} were decoded"
    if not facts["even"]:
        yield "its frames last unequally long"
    if facts["interlaced_frames"]:
        yield (
            f"interlaced: {facts['interlaced_frames']} of {frames} frames hold two moments in "
            "alternate rows, which combs what moves; they were stored as they are"
        )
    is_damaged = facts["damaged_frames"] or facts["lost_packets"]
    if is_damaged or facts["complaints"]:
        yield (
            f"kept with damage: {facts['damaged_frames']} damaged frames, {facts['lost_packets']} lost "
            f"packets {'; '.join(facts['complaints'])}".rstrip()
        )
    if facts["decoder_errors"] and not is_damaged:
        yield (
            f"its decoder passed every frame as sound, but reported {facts['decoder_errors']} errors, "
            f"the first: {facts['first_decoder_error']}"
        )


def _of_cameras(seen: Sequence[_Seen]) -> Iterator[str]:
    """What tells that videos are not of one camera: the model learns one normality from all of them."""
    sizes: dict[str, list[str]] = {}
    for name, first, _ in seen:
        for _, height, width in first:
            sizes.setdefault(f"{height}x{width}", []).append(name)
    if len(sizes) > 1:
        found = [f"{size} ({_counted(names)})" for size, names in sizes.items()]
        yield f"its videos have different sizes, as of different cameras: {_some(found)}"
    rates = sorted((rate, name) for name, _, rate in seen if rate is not None)
    if rates and rates[-1][0] > MOST_RATIO * rates[0][0]:
        (slow, slowest), (fast, fastest) = rates[0], rates[-1]
        yield (
            f"its videos run at different rates, {slow:g} ({slowest}) to {fast:g} ({fastest}) frames per "
            "second; every frame was taken, so the same motion is faster in some"
        )


def _counted(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} videos such as {names[0]}"


def _some(found: Sequence[str]) -> str:
    return ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
