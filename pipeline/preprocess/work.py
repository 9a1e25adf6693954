"""One video in, its shards out: the unit of work, the same for every engine.

Done again it gives the same files, and what it leaves is the same wherever and beside whatever it ran: the
shards under their final names and, after them, a part file with the video's record for the manifest.
"""

import contextlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess.jobs import (
    MOST_FRAMES,
    MOST_LISTED,
    PARTS,
    Job,
    Part,
    files_digest,
    part_name,
    stamp,
)
from pipeline.preprocess.labels.masks import open_masks
from pipeline.preprocess.sources.source import Source
from pipeline.preprocess.sources.tree import SourceFile
from pipeline.preprocess.sources.videos import SourceVideo
from pipeline.processes.heartbeat import Heartbeat, Pulse
from pipeline.video.depth import DepthMap, chosen_range
from pipeline.video.files import decoded_file
from pipeline.video.imageheaders import check_size
from pipeline.video.images import Picture, decode_image, resize_into
from pipeline.video.sequence import missing_numbers
from shards.digests import Hasher, digest_of, sum_line
from shards.entries import Shard, Video
from shards.masks import Masks, write_masks
from shards.names import video_stem
from shards.segments import Draw
from shards.storage import Storage
from shards.text import listed, printable
from shards.writer import is_small, write_video

_MOST_NAMES = 20
"""Bad images of a video that an error names."""


def process_video(job: Job, heartbeat: Heartbeat, folder: Path | None = None) -> Part:
    """Decode one video once, in order, and write its shards, then its part file if it is to leave one.

    Args:
        job: what to do.
        heartbeat: told about every frame, and now and then while a remote storage is waited for.
        folder: for a remote video file, see `Source.local`.

    Raises:
        SourceError: the video cannot be read.
        ShardError: a storage does not answer, or refuses.
    """
    heartbeat = Pulse(heartbeat)
    source = Source(job.source, heartbeat.waiting)
    storage = Storage(job.shards, heartbeat.waiting)
    video = job.video
    facts: dict[str, Any]
    if video.is_images:
        frames, shards, facts = _process_images(source, storage, job, heartbeat)
    else:
        frames, shards, facts = _process_file(source, storage, job, heartbeat, folder)
    stored_masks = None
    if video.masks is not None:
        masks = Source(video.masks.location, heartbeat.waiting)
        stored_masks = _process_masks(storage, masks, video, frames, heartbeat)
        facts["masks_digest"] = files_digest(masks, video.masks.files, heartbeat)
    part = Part(
        video=Video(
            name=video.name,
            split=video.split,
            frames=frames,
            source=facts,
            shards=shards,
            masks=stored_masks,
        ),
        stamp=stamp(job.source, video),
        waits=job.waits and is_small(shards),
    )
    if job.leaves_part:
        # After a loss of power a video without it, or with a damaged one, is decoded again.
        storage.write(part_name(video.split, video.name), part.to_json(), durable=False)
    return part


def _write(
    storage: Storage,
    job: Job,
    decoded: Iterator[np.ndarray],
    expected: int,
    heartbeat: Heartbeat,
    *,
    is_rgb: bool = False,
) -> tuple[int, tuple[Shard, ...], list[list[int]]]:
    """Write the frames; returns their number, the shards, and the sizes found, each with its first frame."""
    sizes: dict[tuple[int, int], int] = {}

    def draws() -> Iterator[Draw]:
        for number, frame in enumerate(decoded):
            if number == MOST_FRAMES:
                raise _too_long(job, f"more than {MOST_FRAMES}")
            if len(sizes) < MOST_LISTED:
                sizes.setdefault((frame.shape[0], frame.shape[1]), number)
            yield partial(resize_into, frame, is_rgb=is_rgb)
            heartbeat(number + 1, expected)

    video = job.video
    if expected > MOST_FRAMES:
        raise _too_long(job, f"about {expected}")
    frames, shards = write_video(
        storage,
        video.split,
        video.name,
        draws(),
        job.size,
        window=job.window,
        codec=job.codec,
        aside=PARTS if job.waits else "",
    )
    return frames, shards, [[first, height, width] for (height, width), first in sizes.items()]


def _too_long(job: Job, frames: str) -> SourceError:
    return SourceError(
        f"{Source(job.source)}/{job.video.files[0].path}: found a video of {frames} frames, expected at most "
        f"{MOST_FRAMES}; cut it into several"
    )


def _process_images(
    source: Source, storage: Storage, job: Job, heartbeat: Heartbeat
) -> tuple[int, tuple[Shard, ...], dict[str, Any]]:
    video = job.video
    digest = Hasher()
    damaged: list[int] = []
    depth = DepthMap(chosen_range(job.depth_range, _readable(source, video, heartbeat)))

    def decoded() -> Iterator[np.ndarray]:
        bad: list[tuple[str, SourceError]] = []
        for number, file in enumerate(video.files):
            try:
                data = _read_image(source, file)
                digest.update(sum_line(file.name, digest_of([data])))
                picture = _decoded(data, f"{source}/{file.path}", keep_damage=job.keep_damage)
            except SourceError as error:
                bad.append((file.name, error))
                continue
            if picture.damage:
                damaged.append(number)
            if bad:  # the rest is only looked through, to name all that is bad in one go
                heartbeat(number, len(video.files))
            else:
                yield depth.frame(picture, f"{source}/{file.path}")
        if bad:
            raise _error_of(bad, f"{source}/{PurePosixPath(video.files[0].path).parent}", len(video.files))

    frames, shards, sizes = _write(storage, job, decoded(), len(video.files), heartbeat)
    gaps = missing_numbers([file.name for file in video.files])
    facts = {
        "kind": "images",
        "bytes": video.size,
        "digest": digest.hexdigest(),
        "first": printable(video.files[0].name),
        "last": printable(video.files[-1].name),
        "missing_numbers": [list(gap) for gap in gaps[:MOST_LISTED]],
        "strays": list(video.strays[:MOST_LISTED]),
        **_unlisted(gaps, video.strays),
        "damaged_frames": len(damaged),
        "first_damaged": damaged[0] if damaged else None,
        **depth.facts(),
        "sizes": sizes,
    }
    return frames, shards, facts


def _unlisted(gaps: list[tuple[int, int]], strays: tuple[str, ...]) -> dict[str, int]:
    """How many missing numbers and strays there are besides those that are listed; nothing of none."""
    numbers = sum(last - first + 1 for first, last in gaps[MOST_LISTED:])
    found = {"unlisted_missing": min(numbers, 1 << 63), "unlisted_strays": len(strays[MOST_LISTED:])}
    return {name: count for name, count in found.items() if count}


def _readable(source: Source, video: SourceVideo, heartbeat: Heartbeat) -> Iterator[Picture]:
    """The pictures of a video, without those that cannot be read: they are for who decodes them to report."""
    for file in video.files:
        heartbeat(0, len(video.files))
        with contextlib.suppress(SourceError):
            yield decode_image(_read_image(source, file), f"{source}/{file.path}")


def _read_image(source: Source, file: SourceFile) -> bytes:
    check_size(file.size, f"{source}/{file.path}")
    return source.read(file.path)


def _decoded(data: bytes, name: str, *, keep_damage: bool) -> Picture:
    picture = decode_image(data, name)
    if picture.damage and not keep_damage:
        raise SourceError(
            f"{name}: damaged ({picture.damage}); mend the file, keep it with --on-damage keep, or leave the "
            "video out with --on-error skip"
        )
    return picture


def _error_of(bad: list[tuple[str, SourceError]], folder: str, images: int) -> SourceError:
    """One error that names all bad images of a video."""
    if len(bad) == 1:
        return bad[0][1]
    names = listed([printable(name) for name, _ in bad], _MOST_NAMES)
    return SourceError(
        f"{folder}: {len(bad)} of {images} images cannot be used: {names}; the first: {bad[0][1]}"
    )


def _process_file(
    source: Source, storage: Storage, job: Job, heartbeat: Heartbeat, folder: Path | None
) -> tuple[int, tuple[Shard, ...], dict[str, Any]]:
    file = job.video.files[0]
    name = f"{source}/{file.path}"
    digest = Hasher()

    def seen(piece: bytes) -> None:
        digest.update(piece)
        heartbeat(0, 0)

    with (
        source.local(file.path, seen, folder) as path,
        decoded_file(
            path, name, by_decord=job.decoder == "decord", keep_damage=job.keep_damage, heartbeat=heartbeat
        ) as decoded,
    ):
        if job.depth_range is not None and decoded.header.bits > 8:
            raise SourceError(
                f"{name}: found a video file of {decoded.header.bits} bits per channel, but --depth-range "
                "maps images alone; save its frames as 16-bit PNG files, or go without --depth-range"
            )
        frames, shards, sizes = _write(
            storage, job, decoded.frames, decoded.expected, heartbeat, is_rgb=decoded.is_rgb
        )
    facts = {
        "kind": "video",
        "file": printable(file.name),
        "bytes": job.video.size,
        "digest": digest.hexdigest(),
        **decoded.facts(),
        "sizes": sizes,
    }
    return frames, shards, facts


def _process_masks(
    storage: Storage, source: Source, video: SourceVideo, frames: int, heartbeat: Heartbeat
) -> Masks:
    assert video.masks is not None
    masks = open_masks(video.masks, frames, source)
    if masks.count != frames:
        raise SourceError(
            f"{masks.where}: {masks.count} masks for video {video.name}, which has {frames} frames; mend "
            "them or go without with --labels none"
        )

    def planes() -> Iterator[np.ndarray]:
        for plane in masks.planes:
            yield plane
            heartbeat(frames, frames)

    _, stored = write_masks(storage, video_stem(video.split, video.name), planes())
    return stored
