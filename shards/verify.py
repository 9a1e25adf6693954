"""Checks a whole shard set: every hash, every segment, and that stock webdataset reads it."""

import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterator

from shards.errors import CorruptShardError, ShardError
from shards.manifest import Manifest, Segment, Shard, Video
from shards.masks import SUFFIX, read_masks
from shards.storage import Storage

_END_OF_TAR = 1024
"""Zero bytes that end a shard."""
_MISSING = "not found, though the manifest lists it"


def verify(storage: Storage, manifest: Manifest, on_shard: Callable[[Shard], None]) -> list[str]:
    """What is wrong with a set; nothing if the list is empty.

    Holds one segment at a time. Foreign files are not looked for on a web server, which does not list names.

    Args:
        storage, manifest: of the set.
        on_shard: called after each shard.

    Returns:
        One line for each file that is missing, damaged or foreign.
    """
    problems = []
    expected = set()
    for video in manifest.videos:
        for shard in video.shards:
            expected.add(shard.name)
            problems += [
                f"{storage}/{shard.name}: {problem}; {_remedy(problem)}"
                for problem in _shard_problems(storage, manifest, video, shard)
            ][:1]
            on_shard(shard)
        if video.masks is not None:
            expected.add(video.masks.name)
            try:
                read_masks(storage, video.masks, video.frames)
            except ShardError as error:
                problems.append(str(error))
    for name in storage.names() if storage.can_list else ():
        if name.endswith((".tar", SUFFIX)) and name not in expected:
            problems.append(f"{storage}/{name}: not of this set; the manifest does not list it: remove it")
    return problems


def _remedy(problem: str) -> str:
    return "run preprocess again" if problem == _MISSING else "delete it and run preprocess again"


def _shard_problems(storage: Storage, manifest: Manifest, video: Video, shard: Shard) -> Iterator[str]:
    try:
        size = storage.size(shard.name)
    except FileNotFoundError:
        yield _MISSING
        return
    if size != shard.bytes:
        yield f"found {size} bytes, expected {shard.bytes}"
        return
    digest = hashlib.sha256()
    position = 0
    for segment in shard.segments:
        if segment.offset != position:
            yield f"segment {segment.key} does not follow the one before it"
            return
        record = _read(storage, shard.name, position, segment.size)
        digest.update(record)
        position += segment.size
        if zlib.crc32(record) != segment.crc32:
            yield f"segment {segment.key} at byte {segment.offset} holds other bytes than were written"
            return
        try:
            _check_segment(manifest, video, segment, record)
        except CorruptShardError as error:
            yield f"segment {segment.key}: {error}"
            return
    rest = _read(storage, shard.name, position, shard.bytes - position)
    digest.update(rest)
    if len(rest) != _END_OF_TAR or any(rest):
        yield "does not end as a tar should"
    elif digest.hexdigest() != shard.sha256:
        yield f"found SHA-256 {digest.hexdigest()}, expected {shard.sha256}"


def _read(storage: Storage, name: str, offset: int, size: int) -> bytes:
    buffer = bytearray(size)
    filled, _ = storage.read_into(name, offset, [memoryview(buffer)])
    return bytes(buffer[:filled])


def _check_segment(manifest: Manifest, video: Video, segment: Segment, record: bytes) -> None:
    """Decode a segment, and read its record as a stock webdataset pipeline does."""
    # Imports torch: 1.4 s, little beside a whole set, so that the reader that others use is what reads here.
    from webdataset import tariterators

    geometry = manifest.geometry
    shape = (segment.frames, geometry.height, geometry.width, segment.channels)
    manifest.codec.decode(memoryview(record), shape)
    shard = {"url": segment.key, "stream": io.BytesIO(record + bytes(_END_OF_TAR))}
    samples = list(tariterators.group_by_keys(tariterators.tar_file_expander([shard])))
    if [sample["__key__"] for sample in samples] != [segment.key]:
        raise CorruptShardError("webdataset does not find its record")
    metadata = json.loads(samples[0]["json"])
    expected = {
        "video": video.name,
        "first": segment.first,
        "frames": segment.frames,
        "channels": segment.channels,
    }
    if metadata != expected:
        raise CorruptShardError(f"found metadata {metadata}, expected {expected}")
