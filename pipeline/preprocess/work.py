"""One video in, its shards out: the unit of work, the same for every engine.

Done again it gives the same files, and what it leaves is the same wherever and beside whatever it ran: the
shards under their final names and, after them, a part file with the video's record for the manifest.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.errors import SourceError
from pipeline.preprocess import pyav_frames
from pipeline.preprocess.images import decode_image, resized
from pipeline.preprocess.jobs import Beat, Job, Part, files_digest, fingerprint, part_name, stamp, sum_line
from pipeline.preprocess.masks import masks
from pipeline.preprocess.source import Source
from pipeline.preprocess.videos import SourceVideo, missing_numbers
from shards.manifest import Shard, Video
from shards.masks import Masks, write_masks
from shards.storage import Storage
from shards.text import printable
from shards.writer import video_stem, write_video

DECORD_BYTES = 400 << 20
"""Decoded frames of a file that decord may get. Whenever its decoding thread falls behind, decord takes in
hundreds of packets and then decodes them all, also while its consumer is busy writing: 1.4 GB were seen at
1920x1080 with pauses of a second. Only a file that fits as a whole is sure to fit."""


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
) -> tuple[int, tuple[Shard, ...]]:
    def counted() -> Iterator[np.ndarray]:
        for number, frame in enumerate(resized(decoded, job.size, is_rgb=is_rgb), start=1):
            beat(number, expected)
            yield frame

    video = job.video
    return write_video(storage, video.split, video.name, counted(), window=job.window, codec=job.codec)


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

    frames, shards = _write(storage, job, decoded(), len(video.files), beat)
    facts = {
        "kind": "images",
        "bytes": video.size,
        "sha256": digest.hexdigest(),
        "first": printable(video.files[0].name),
        "last": printable(video.files[-1].name),
        "missing_numbers": [list(gap) for gap in missing_numbers([file.name for file in video.files])],
        "strays": list(video.strays),
    }
    return frames, shards, facts


def _process_file(
    source: Source, storage: Storage, job: Job, beat: Beat
) -> tuple[int, tuple[Shard, ...], dict[str, Any]]:
    file = job.video.files[0]
    name = f"{source}/{file.path}"
    facts = {"kind": "video", "file": printable(file.name), **fingerprint(source, job.video, beat)}
    with source.local(file.path) as path:
        audit = pyav_frames.audit(path, name, beat)
        damage = pyav_frames.Damage()
        decoder, reasons = choose_decoder(job, audit, name)
        if decoder == "decord":
            from pipeline.preprocess import decord_frames  # with PyAV alone, decord need not be there

            try:
                decoded = decord_frames.frames(path, name, (audit.height, audit.width))
                frames, shards = _write(storage, job, decoded, audit.packets, beat, is_rgb=True)
                if frames != audit.packets:
                    raise SourceError(f"{name}: decord gave {frames} frames of {audit.packets} packets")
            except SourceError as error:
                if job.decoder == "decord":
                    raise SourceError(f"{error}; try --decoder auto") from error
                # Without decord's words, which hold paths and addresses of this machine.
                decoder, reasons = "pyav", ["decord failed"]
        if decoder == "pyav":
            decoded = _refusing(pyav_frames.frames(path, name, damage), damage, audit, job, name)
            frames, shards = _write(storage, job, decoded, audit.packets, beat)
    facts |= {
        **audit.facts(),
        "decoder": decoder,
        "decoder_reasons": reasons,
        "damaged_frames": damage.frames,
        "lost_packets": damage.lost,
        "first_damaged": damage.first,
    }
    return frames, shards, facts


def choose_decoder(job: Job, audit: pyav_frames.Audit, name: str) -> tuple[str, list[str]]:
    """The decoder for a file, and why it is not decord if it is not."""
    if job.decoder == "pyav":
        return "pyav", ["as asked for"]
    size = audit.packets * audit.height * audit.width * 3
    if not audit.irregularities:
        if job.decoder == "decord" or size <= DECORD_BYTES:
            return "decord", []
        return "pyav", [f"{size >> 20} MB of frames, which decord might hold all at once"]
    if job.decoder == "decord":
        raise SourceError(
            f"{name}: not a regular file ({', '.join(audit.irregularities)}), which decord reads wrongly; "
            "use --decoder auto"
        )
    return "pyav", audit.irregularities


def _refusing(
    frames: Iterator[np.ndarray],
    damage: pyav_frames.Damage,
    audit: pyav_frames.Audit,
    job: Job,
    name: str,
) -> Iterator[np.ndarray]:
    """The frames; at their end an error if there was damage that is not to be kept."""
    yield from frames
    found = [
        f"{damage.frames} damaged frames" if damage.frames else "",
        f"{damage.lost} packets that cannot be decoded" if damage.lost else "",
        f"the first at frame {damage.first}" if damage.first is not None else "",
        "; ".join(audit.complaints),
    ]
    if any(found) and not job.keep_damage:
        raise SourceError(
            f"{name}: {', '.join(text for text in found if text)}; mend the file, keep it with --on-damage "
            "keep, or leave it out with --on-error skip"
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
