"""One video in, its shards out: the unit of work, the same for every engine.

Done again it gives the same files, and what it leaves is the same wherever and beside whatever it ran: the
shards under their final names and, after them, a part file with the video's record for the manifest.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess import pyav_frames
from pipeline.preprocess.audit import Audit, audit
from pipeline.preprocess.images import decode_image, resized
from pipeline.preprocess.jobs import Beat, Job, Part, files_digest, fingerprint, part_name, stamp, sum_line
from pipeline.preprocess.masks import masks
from pipeline.preprocess.source import Source, printable
from pipeline.preprocess.videos import SourceVideo, missing_numbers
from shards.manifest import Shard, Video
from shards.masks import Masks, write_masks
from shards.storage import Storage
from shards.writer import video_stem, write_video


def process_video(job: Job, beat: Beat) -> Part:
    """Decode one video once, in order, and write its shards, then its part file.

    Args:
        job: what to do.
        beat: told about every frame.

    Raises:
        SourceError: the video cannot be read.
    """
    source = Source(job.source)
    storage = Storage(job.shards)
    video = job.video
    facts: dict[str, Any]
    if video.is_images:
        frames, shards, facts = _process_images(source, storage, job, beat)
    else:
        frames, shards, facts = _process_file(source, storage, job, beat)
    stored_masks = None
    if video.masks is not None:
        stored_masks = _process_masks(storage, video, frames)
        facts["masks_sha256"] = files_digest(Source(video.masks.location), video.masks.files, beat)
    part = Part(
        video=Video(
            name=video.name,
            split=video.split,
            frames=frames,
            source=facts,
            shards=shards,
            masks=stored_masks,
        ),
        stamp=stamp(video),
    )
    storage.write(part_name(video.split, video.name), part.to_json())
    return part


def _write(
    storage: Storage,
    job: Job,
    decoded: Iterator[np.ndarray],
    expected: int,
    beat: Beat,
    *,
    is_rgb: bool = False,
) -> tuple[int, tuple[Shard, ...], list[list[int]]]:
    """Write the frames; returns their number, the shards, and each size found with the first frame of it."""
    sizes: dict[tuple[int, int], int] = {}

    def measured() -> Iterator[np.ndarray]:
        for number, frame in enumerate(decoded):
            sizes.setdefault((frame.shape[0], frame.shape[1]), number)
            yield frame

    def counted() -> Iterator[np.ndarray]:
        for number, frame in enumerate(resized(measured(), job.size, is_rgb=is_rgb), start=1):
            beat(number, expected)
            yield frame

    video = job.video
    frames, shards = write_video(
        storage, video.split, video.name, counted(), window=job.window, codec=job.codec
    )
    return frames, shards, [[first, height, width] for (height, width), first in sizes.items()]


def _process_images(
    source: Source, storage: Storage, job: Job, beat: Beat
) -> tuple[int, tuple[Shard, ...], dict[str, Any]]:
    video = job.video
    digest = hashlib.sha256()

    def decoded() -> Iterator[np.ndarray]:
        for file in video.files:
            data = source.read(file.path)
            digest.update(sum_line(file, hashlib.sha256(data).hexdigest()))
            yield decode_image(data, f"{source}/{file.path}")

    frames, shards, sizes = _write(storage, job, decoded(), len(video.files), beat)
    facts = {
        "kind": "images",
        "bytes": video.size,
        "sha256": digest.hexdigest(),
        "first": printable(video.files[0].name),
        "last": printable(video.files[-1].name),
        "missing_numbers": [list(gap) for gap in missing_numbers([file.name for file in video.files])],
        "strays": list(video.strays),
        "sizes": sizes,
    }
    return frames, shards, facts


def _process_file(
    source: Source, storage: Storage, job: Job, beat: Beat
) -> tuple[int, tuple[Shard, ...], dict[str, Any]]:
    file = job.video.files[0]
    name = f"{source}/{file.path}"
    facts = {"kind": "video", "file": printable(file.name), **fingerprint(source, job.video, beat)}
    with source.local(file.path) as path:
        found = audit(path, name, beat)
        findings = pyav_frames.Findings()
        decoder = "decord" if job.decoder == "decord" else "pyav"
        if decoder == "decord":
            decoded = _by_decord(path, name, found, beat)
        else:
            decoded = _refusing(pyav_frames.frames(path, name, findings), findings, found, job, name)
        frames, shards, sizes = _write(storage, job, decoded, found.packets, beat, is_rgb=decoder == "decord")
    facts |= {**found.facts(), "decoder": decoder, **findings.facts(), "sizes": sizes}
    return frames, shards, facts


def _by_decord(path: Path, name: str, found: Audit, beat: Beat) -> Iterator[np.ndarray]:
    from pipeline.preprocess import (
        decord_check,
        decord_frames,
    )  # without being asked for, it need not be there

    decord_check.refuse_irregular(found, name)
    expected = decord_check.ends(path, name, beat)
    decoded = decord_frames.frames(path, name, (found.height, found.width))
    return decord_check.checked(decoded, expected, found.packets, name)


def _refusing(
    frames: Iterator[np.ndarray],
    findings: pyav_frames.Findings,
    audited: Audit,
    job: Job,
    name: str,
) -> Iterator[np.ndarray]:
    """The frames; at their end an error if there were none, or damage that is not to be kept."""
    is_empty = True
    for frame in frames:
        is_empty = False
        yield frame
    found = [
        f"{findings.damaged} damaged frames" if findings.damaged else "",
        f"{findings.lost} packets that cannot be decoded" if findings.lost else "",
        f"the first at frame {findings.first}" if findings.first is not None else "",
        "; ".join(audited.complaints),
    ]
    if any(found) and not job.keep_damage:
        raise SourceError(
            f"{name}: {', '.join(text for text in found if text)}; mend the file, keep it with --on-damage "
            "keep, or leave it out with --on-error skip"
        )
    if is_empty:
        raise SourceError(
            f"{name}: none of its {audited.packets} packets gives a frame; mend the file, or leave it out "
            "with --on-error skip"
        )


def _process_masks(storage: Storage, video: SourceVideo, frames: int) -> Masks:
    assert video.masks is not None
    stem = video_stem(video.split, video.name)
    count, stored = write_masks(storage, stem, masks(video.masks))
    if count != frames:
        where = f"{Source(video.masks.location)}/{video.masks.files[0].path}"
        raise SourceError(
            f"{where}: {count} masks for video {video.name}, which has {frames} frames; mend them or go "
            "without with --labels none"
        )
    return stored
