"""How much a shard set will take on the disk, before hours of work end on a full one."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import SourceError
from pipeline.preprocess.config import PreprocessConfig
from pipeline.preprocess.sources.videos import SourceVideo
from shards.choices import CodecName
from shards.limits import SEGMENT_WINDOWS, SMALL_BYTES
from shards.storage import Storage

SHARES: Mapping[CodecName, tuple[float, float]] = {
    "raw": (1.0, 1.0),
    "deflate": (0.2, 0.8),
    "jpeg": (0.02, 0.5),
}
"""The least and the most that a codec needs of the raw bytes of video, noise apart. Surveillance at 256x256
took 0.38 to 0.64 as deflate, and 0.08 to 0.28 as JPEG of quality 95."""
_FRAME_BYTES = 8
"""A frame of a video file takes at least so many."""


def may_fill_the_disk(
    config: PreprocessConfig, videos: Sequence[SourceVideo], frames: Mapping[str, int]
) -> bool:
    """Whether the shards of videos could be more than a local disk holds.

    Args:
        config: of the stage.
        videos: that are to be decoded.
        frames: of video files, as their headers say, by title; where one says 0, its bytes tell the most.
    """

    def most(video: SourceVideo) -> int:
        by_bytes = _most_planes(video)
        return min(3 * frames.get(video.title, 0) or by_bytes, by_bytes)

    stored = stored_bytes(sum(map(most, videos)), config.size[0] * config.size[1], config.window)
    storage = Storage(config.shards)
    return storage.is_local and 2 * stored > _free(Path(storage.path("")))


def require_space(
    config: PreprocessConfig,
    videos: Sequence[SourceVideo],
    looked: Sequence[SourceVideo],
    planes: Mapping[str, int],
) -> None:
    """Check that a local disk has room for the shards of videos that are to be decoded.

    It is refused what surely does not fit; how well a video compresses only shows when it is done.

    Args:
        config: of the stage.
        videos: all of them.
        looked: those that were looked at; none where there is room even if all of it is in colour.
        planes: what was found of them, by title.

    Raises:
        SourceError: it has not; naming the codecs that need less.
    """
    if not looked:
        return
    storage = Storage(config.shards)
    free = _free(Path(storage.path("")))
    frame = config.size[0] * config.size[1]

    def stored(chosen: Sequence[SourceVideo]) -> int:
        return stored_bytes(estimate(planes, looked, chosen), frame, config.window)

    share, _ = SHARES[config.codec]
    per_byte = share * stored(looked) / max(1, sum(video.size for video in looked))
    # What small videos were written to stays until all of them lie in the shards that they share.
    raw = stored(videos) + stored([video for video in videos if video.size * per_byte <= SMALL_BYTES])
    least = int(raw * share)
    if least > free:
        fitting = [name for name, (_, most) in SHARES.items() if raw * most <= free]
        remedy = f", or take --codec {' or '.join(fitting)}" if fitting else ""
        raise SourceError(
            f"{storage}: found {free >> 20} MiB free, expected at least about {least >> 20} MiB for "
            f"{len(videos)} videos as {config.codec}; make room, choose another folder or a smaller "
            f"--size{remedy}"
        )


def require_space_of_remote(config: PreprocessConfig, videos: Sequence[SourceVideo]) -> None:
    """Check what can be told of remote videos before they are fetched: that there is room for the files that
    are fetched at once, and on a local disk for the shards of images, which are as many as are listed.

    Raises:
        SourceError: there is not.
    """
    images = [video for video in videos if video.is_images]
    if Storage(config.shards).is_local:
        require_space(config, images, images, {video.title: len(video.files) for video in images})
    sizes = sorted((video.size for video in videos if not video.is_images), reverse=True)[: config.workers]
    folder = Path(tempfile.gettempdir())
    # The largest are fetched first. Those of a cluster have disks of their own.
    if config.scheduler is None and sum(sizes) > (free := _free(folder)):
        raise SourceError(
            f"{folder} (TMPDIR): found {free >> 20} MiB free, expected at least {sum(sizes) >> 20} MiB for "
            f"the largest files of {Storage(config.source)}, of which {len(sizes)} are fetched at once; "
            "make room, set TMPDIR to another folder, or give fewer --workers"
        )


def stored_bytes(planes: int, frame: int, window: int) -> int:
    """Bytes of shards with pixels as they are.

    Args:
        planes: channels that are stored, of all frames together.
        frame: pixels of a frame.
        window: T; neighbouring segments overlap by one frame less.
    """
    return planes * frame * (SEGMENT_WINDOWS + window - 1) // SEGMENT_WINDOWS


def estimate(planes: Mapping[str, int], looked: Sequence[SourceVideo], videos: Sequence[SourceVideo]) -> int:
    """Planes of all videos, from those of which they were found, by title; others have as many per byte."""
    found = [video for video in looked if video.title in planes]
    total = sum(min(planes[video.title], _most_planes(video)) for video in found)
    return total * sum(video.size for video in videos) // max(1, sum(video.size for video in found))


def _most_planes(video: SourceVideo) -> int:
    return 3 * (len(video.files) if video.is_images else video.size // _FRAME_BYTES)


def _free(folder: Path) -> int:
    """Bytes that are free where a folder is, or will be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
