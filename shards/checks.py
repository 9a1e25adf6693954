"""What a manifest must fulfil before anyone relies on it: the one place where what it says is judged.

Every name and digest is of the form that the writer gives it, so that it can be part of a path; every number
is one that the other numbers and the size of the file justify, so that memory can be taken for it. All raise
ValueError, with what was found and what was expected.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from shards.choices import SPLITS
from shards.digests import digest_of, is_digest
from shards.limits import (
    MOST_EXPANSION,
    MOST_MASK_PIXELS,
    MOST_SEGMENT_BYTES,
    MOST_WINDOW,
    SEGMENT_WINDOWS,
    record_sizes,
    segment_bytes,
)
from shards.masks import Masks
from shards.names import is_key, is_masks, is_shard, is_video
from shards.records import END_OF_TAR
from shards.segments import window_starts

if TYPE_CHECKING:
    from shards.manifest import Manifest, Segment, Shard, Video

_MOST_NUMBER = 2**53


def shard_digest(segments: "Sequence[Segment]") -> str:
    """The identity of a shard: the digest of all that the manifest says of its segments, digests included.

    Since these cover every byte but the end of the tar, the same digest means the same file; no byte of it
    is hashed twice.
    """
    rows = (
        f"{s.key} {s.offset} {s.size} {s.digest} {s.first} {s.frames} {s.windows} {s.channels}\n"
        for s in segments
    )
    return digest_of([("".join(rows)).encode()])


def check_video(video: "Video") -> None:
    """One video, its shards, labels and masks."""
    if not is_video(video.name) or video.split not in SPLITS:
        raise ValueError(
            f"video {video.name!r:.80} of split {video.split!r:.80}: neither name nor split of a video"
        )
    where = f"video {video.name!r:.80}"
    _check_natural(video, "frames")
    if not isinstance(video.source, dict) or not isinstance(video.label_source, str | None):
        raise ValueError(f"{where}: source or label source are not what they should be")
    _check_intervals(where, "labels", video.abnormal or (), video.frames)
    if video.masks is not None:
        _check_masks(where, video.masks, video.frames)
    reached = 0
    for shard in video.shards:
        _check_shard(shard)
        for segment in shard.segments:
            if segment.first > reached:
                raise ValueError(f"segment {segment.key} of {where} leaves a gap before it")
            reached = segment.first + segment.frames
    if reached != video.frames:
        raise ValueError(f"{where} has {video.frames} frames, its segments hold {reached}")


def _check_shard(shard: "Shard") -> None:
    if not is_shard(shard.name):
        raise ValueError(f"shard {shard.name!r:.80}: not the name of a shard")
    _check_natural(shard, "bytes")
    end = 0
    for segment in shard.segments:
        _check_natural(segment, "offset", "size", "first", "frames", "windows", "channels")
        if not is_key(segment.key) or not is_digest(segment.digest):
            raise ValueError(
                f"shard {shard.name}: a segment has the key {segment.key!r:.80} and the digest "
                f"{segment.digest!r:.80}"
            )
        if segment.offset != end or segment.frames < 1 or segment.channels not in (1, 3):
            raise ValueError(f"segment {segment.key} does not lie in shard {shard.name} as it should")
        end += segment.size
    if shard.bytes != end + len(END_OF_TAR):
        raise ValueError(
            f"shard {shard.name} has {shard.bytes} bytes, its segments and its end {end + len(END_OF_TAR)}"
        )
    if shard.digest != shard_digest(shard.segments):
        raise ValueError(f"shard {shard.name}: the digest {shard.digest!r:.80} is not that of its segments")


def _check_masks(where: str, masks: Masks, frames: int) -> None:
    _check_natural(masks, "bytes", "height", "width")
    if not is_masks(masks.name) or not is_digest(masks.digest):
        raise ValueError(
            f"{where}: masks have the name {masks.name!r:.80} and the digest {masks.digest!r:.80}"
        )
    packed = frames * masks.height * -(-masks.width // 8)
    if not 0 < masks.height * masks.width <= MOST_MASK_PIXELS or packed > masks.bytes * MOST_EXPANSION:
        raise ValueError(
            f"{masks.name}: {masks.bytes} bytes cannot hold {frames} masks of {masks.height}x{masks.width}"
        )
    _check_intervals(where, "masks", masks.marked, frames)


def _check_intervals(where: str, what: str, intervals: Sequence[tuple[int, int]], frames: int) -> None:
    if any(not 0 <= start < end <= frames for start, end in intervals):
        raise ValueError(f"{where} has {what} outside its {frames} frames")


def _check_natural(record: Any, *names: str) -> None:
    for name in names:
        value = getattr(record, name)
        if type(value) is not int or not 0 <= value <= _MOST_NUMBER:
            raise ValueError(
                f"{type(record).__name__.lower()} with {name} {value!r:.80}, expected a whole number"
            )


def check_manifest(manifest: "Manifest") -> None:
    """What no part of a manifest can tell alone."""
    _check_geometry(manifest)
    _check_unique("video", [f"{video.split}/{video.name}" for video in manifest.videos])
    _check_unique("shard", [shard.name for video in manifest.videos for shard in video.shards])
    _check_unique("mask file", [video.masks.name for video in manifest.videos if video.masks is not None])
    for video in manifest.videos:
        segments = [segment for shard in video.shards for segment in shard.segments]
        for one, other in pairwise(segments):
            if not one.first < other.first <= one.first + one.frames - (manifest.window - 1):
                raise ValueError(
                    f"no window of {manifest.window} frames fits between {one.key} and {other.key}"
                )
        strides = [other.first - one.first for one, other in pairwise(segments)]
        for index, segment in enumerate(segments):
            is_last = index == len(strides)
            stride = segment.frames if is_last else strides[index]
            if segment.windows != window_starts(stride, segment.frames, is_last, manifest.window):
                raise ValueError(f"segment {segment.key} has {segment.windows} windows, which cannot be")
            _check_size(manifest, segment)


def _check_geometry(manifest: "Manifest") -> None:
    geometry = manifest.geometry
    _check_natural(geometry, "height", "width", "channels")
    _check_natural(manifest, "window")
    height, width, window = geometry.height, geometry.width, manifest.window
    if min(height, width, window) < 1 or window > MOST_WINDOW:
        raise ValueError(f"windows of {window} frames of {height}x{width} cannot be")
    if (needed := segment_bytes(height, width, window)) > MOST_SEGMENT_BYTES:
        raise ValueError(
            f"segments of {height}x{width} for windows of {window} have {needed} bytes of pixels, expected "
            f"at most {MOST_SEGMENT_BYTES}"
        )
    if geometry != (expected := type(geometry)(height=height, width=width)):
        raise ValueError(f"found {geometry.normalisation!r:.160}, expected {expected.normalisation}")


def _check_unique(what: str, names: list[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"lists the {what} {name!r:.80} {count} times")


def _check_size(manifest: "Manifest", segment: "Segment") -> None:
    """Whether a segment's record can hold its frames, so that nobody takes memory for what is not there."""
    pixels = segment.frames * manifest.geometry.height * manifest.geometry.width * segment.channels
    least, most = record_sizes(manifest.codec.name, pixels, segment.frames)
    if segment.frames > SEGMENT_WINDOWS + manifest.window - 1 or not least <= segment.size <= most:
        raise ValueError(
            f"segment {segment.key}: {segment.size} bytes cannot hold {segment.frames} frames of "
            f"{manifest.geometry}"
        )
