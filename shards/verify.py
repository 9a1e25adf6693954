"""Checks a whole shard set: every hash, every segment, and that stock webdataset reads it."""

import io
from collections.abc import Callable

from shards.digests import digest_of
from shards.entries import Segment, Shard, Video
from shards.errors import CorruptShardError, ShardError
from shards.manifest import Manifest
from shards.masks import read_masks
from shards.names import MASKS_SUFFIX
from shards.records import END_OF_TAR, metadata
from shards.storage import Storage
from shards.versions import files_in_use

_MISSING = "not found, though the manifest lists it"


def verify(storage: Storage, manifest: Manifest, on_video: Callable[[Video], None]) -> list[str]:
    """What is wrong with what a set's manifest lists; nothing if the list is empty.

    Holds one segment at a time.

    Args:
        storage, manifest: of the set.
        on_video: called after each video.

    Returns:
        One line for each file that is missing or damaged.
    """
    problems: dict[str, str] = {}
    framed: Shard | None = None  # the last one whose size and end were looked at: neighbours share it
    for video in manifest.videos:
        for shard in video.shards:
            is_known = framed is not None and (framed.name, framed.bytes) == (shard.name, shard.bytes)
            problem = _shard_problem(storage, manifest, video, shard, is_framed=is_known)
            framed = shard if problem is None else None
            if problem is not None:
                line = f"{storage}/{shard.name}: {problem}; {_remedy(storage, problem)}"
                problems.setdefault(shard.name, line)  # the first, of those that share it
        if video.masks is not None:
            try:
                for _ in read_masks(storage, video.masks, video.frames):
                    pass
            except ShardError as error:
                problems[video.masks.name] = str(error)
        on_video(video)
    return [*problems.values()]


def foreign(storage: Storage, manifest: Manifest) -> list[str]:
    """One line for each shard and mask that no version of a set lists. While one is being made, its shards
    are such files."""
    # Listed before the versions are read: those that come to be meanwhile may only make files known.
    names = [name for name in storage.names() if name.endswith((".tar", MASKS_SUFFIX))]
    known = files_in_use(storage, manifest)
    return [
        f"{storage}/{name}: no version of this set lists it; run preprocess again if a run of it was "
        "stopped, and remove the file if it is named again then"
        for name in names
        if name not in known
    ]


def _remedy(storage: Storage, problem: str) -> str:
    return storage.remake if problem == _MISSING else f"delete it and {storage.remake}"


def _shard_problem(
    storage: Storage, manifest: Manifest, video: Video, shard: Shard, *, is_framed: bool
) -> str | None:
    """What is wrong with a video's records in a shard, or with its size and end unless these were right."""
    try:
        problem = None if is_framed else _frame_problem(storage, shard)
        if problem is not None:
            return problem
        for segment in shard.segments:
            record = _read(storage, shard.name, segment.offset, segment.size)
            if digest_of([record]) != segment.digest:
                return f"segment {segment.key} at byte {segment.offset} holds other bytes than were written"
            try:
                _check_segment(manifest, video, segment, record)
            except CorruptShardError as error:
                return f"segment {segment.key}: {error}"
    except FileNotFoundError:
        return _MISSING
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return None


def _frame_problem(storage: Storage, shard: Shard) -> str | None:
    size = storage.size(shard.name)
    if size != shard.bytes:
        return f"found {size} bytes, expected {shard.bytes}"
    end = _read(storage, shard.name, shard.bytes - len(END_OF_TAR), len(END_OF_TAR))
    return None if end == END_OF_TAR else "does not end as a tar should"


def _read(storage: Storage, name: str, offset: int, size: int) -> bytes:
    buffer = bytearray(size)
    filled, _ = storage.read_into(name, offset, [memoryview(buffer)])
    return bytes(buffer[:filled])


def _check_segment(manifest: Manifest, video: Video, segment: Segment, record: bytes) -> None:
    """Decode a segment, and read its record as a stock webdataset pipeline does."""
    geometry = manifest.geometry
    shape = (segment.frames, geometry.height, geometry.width, segment.channels)
    manifest.codec.pixels.decode(memoryview(record), segment.key, shape)
    # Imports torch: 1.4 s, little beside a whole set, so that the reader that others use is what reads here.
    from webdataset import tariterators

    shard = {"url": segment.key, "stream": io.BytesIO(record + END_OF_TAR)}
    samples = list(tariterators.group_by_keys(tariterators.tar_file_expander([shard])))
    if [sample["__key__"] for sample in samples] != [segment.key]:
        raise CorruptShardError("webdataset does not find its record")
    expected = metadata(
        video=video.name, first=segment.first, frames=segment.frames, channels=segment.channels
    )
    if samples[0]["json"] != expected:
        raise CorruptShardError(f"found metadata {samples[0]['json']!r:.200}, expected {expected!r:.200}")
