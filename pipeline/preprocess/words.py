"""What preprocess says at its end."""

from collections.abc import Iterator

from pipeline.preprocess.run import Summary
from shards.choices import SPLITS

_MOST_SKIPPED = 100
"""Videos left out that have a line each: they are tried, and told, again in every run."""


def lines(summary: Summary) -> Iterator[str]:
    """What the set is, what is in each split, and what was decoded for it."""
    manifest = summary.manifest
    yield f"dataset    {manifest.dataset}: {summary.reason}"
    for split in SPLITS:
        videos = manifest.split(split)
        if videos:
            frames = int(videos.frames.sum())
            windows = int(manifest.segments(split, manifest.window).windows.sum())
            yield f"{split:<10} {len(videos)} videos, {frames} frames, {windows} windows"
    labelled = [
        (video, labels) for video in manifest.split("testing") if (labels := video.labels) is not None
    ]
    if labelled:
        known = sum(len(labels) for _, labels in labelled)
        abnormal = sum(int(labels.sum()) for _, labels in labelled)
        sources = ", ".join(sorted({video.label_source or "" for video, _ in labelled}))
        yield f"labels     {abnormal} of {known} frames abnormal, from {sources}"
    else:
        yield "labels     none"
    stored = sum(int(part.shard_bytes.sum()) for part in manifest.videos.parts)
    yield f"stored     {stored / 1e6:.1f} MB, {manifest.geometry}, codec {manifest.codec.name}"
    yield (
        f"decoded    {summary.done} videos, {summary.frames} frames in {summary.seconds:.1f} s "
        f"({summary.frames / summary.seconds:.0f} frames/s)"
    )


def remarks(summary: Summary) -> Iterator[str]:
    """Videos that were left out, as far as they are few, and what is to be known of the others."""
    for name, reason in summary.skipped[:_MOST_SKIPPED]:
        yield f"skipped    {name}: {reason}"
    more = len(summary.skipped) - _MOST_SKIPPED
    if more > 0:
        yield f"skipped    {more} more videos, told when these are mended or gone"
    for note in summary.notes:
        yield f"note       {note}"
