"""A shard set in tables."""

from pipeline.terminal.tables import Table
from shards.choices import SPLITS
from shards.entries import Video
from shards.manifest import Manifest
from shards.rates import rate_of


def describe(manifest: Manifest) -> list[Table]:
    """The set as a whole, and each of its videos."""
    return [_whole(manifest), _videos(manifest)]


def _whole(manifest: Manifest) -> Table:
    codec = manifest.codec.name + (f" {manifest.codec.quality}" if manifest.codec.quality else "")
    title = f"{manifest.dataset}: {manifest.geometry}, codec {codec}, windows of {manifest.window}"
    columns = ["split", "videos", "frames", "windows", "labelled", "abnormal", "with masks", "shards", "MB"]
    rows = []
    for split in SPLITS:
        videos = manifest.split(split)
        labels = [video.labels for video in videos if video.labels is not None]
        segments = manifest.segments(split, manifest.window)
        rows.append(
            [
                split,
                str(len(videos)),
                str(int(videos.frames.sum())),
                str(int(segments.windows.sum())),
                str(sum(len(known) for known in labels)),
                str(sum(int(known.sum()) for known in labels)),
                str(sum(video.masks is not None for video in videos)),
                str(len({shard.name for video in videos for shard in video.shards})),
                _megabytes(int(segments.column("size").sum())),
            ]
        )
    return title, columns, rows


def _videos(manifest: Manifest) -> Table:
    columns = ["video", "frames", "abnormal", "read by", "header", "fps", "channels", "MB", "labels from"]
    return "videos", columns, [_row(video) for video in manifest.videos]


def _row(video: Video) -> list[str]:
    labels = video.labels
    segments = [segment for shard in video.shards for segment in shard.segments]
    channels = {segment.channels for segment in segments}
    facts = video.source
    return [
        f"{video.split}/{video.name}",
        str(video.frames),
        "" if labels is None else str(int(labels.sum())),
        str(facts.get("decoder", facts.get("kind", ""))),
        str(facts.get("frames_header") or ""),
        f"{rate:g}" if (rate := rate_of(video)) is not None else "",
        "/".join(str(count) for count in sorted(channels)),
        _megabytes(sum(segment.size for segment in segments)),
        video.label_source or "",
    ]


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"
