"""Small shard sets, straight from arrays of frames."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from shards.choices import Split
from shards.codecs import Codec
from shards.digests import digest_of
from shards.entries import Geometry, Video
from shards.manifest import Manifest, load_manifest, write_manifest
from shards.packing import write_packing
from shards.revision import revised
from shards.rows import Videos
from shards.segments import Draw
from shards.storage import Storage
from shards.writer import SHARD_BYTES, write_video


def random_frames(
    count: int, size: tuple[int, int] = (16, 16), *, seed: int = 0, gray: bool = False
) -> np.ndarray:
    """Frames uint8 (count, H, W, 3) of noise; no two frames of any seeds are equal."""
    rng = np.random.default_rng([seed, count, gray])
    frames = rng.integers(0, 256, (count, *size, 1 if gray else 3), np.uint8)
    return np.repeat(frames, 3, axis=3) if gray else frames


def smooth_frames(count: int, size: tuple[int, int] = (64, 64), *, seed: int = 0) -> np.ndarray:
    """Frames uint8 (count, H, W, 3) of a bright square that moves over a shaded ground: predictable video."""
    rng = np.random.default_rng(seed)
    height, width = size
    side = max(2, height // 5)
    ground = np.linspace(40, 120, width, dtype=np.float32)[None, :] + np.linspace(0, 40, height)[:, None]
    frames = np.repeat(ground.astype(np.uint8)[None, :, :, None], 3, axis=3).repeat(count, axis=0)
    top, left = rng.integers(0, height - side), rng.integers(0, width - side)
    for index, frame in enumerate(frames):
        x = (left + index) % (width - side)
        frame[top : top + side, x : x + side] = (200, 220, 240)
    return frames


def intervals(labels: ArrayLike) -> tuple[tuple[int, int], ...]:
    """The runs [start, end) of True in labels (frames,)."""
    edges = np.flatnonzero(np.diff(np.asarray(labels, np.int8), prepend=0, append=0))
    return tuple((int(start), int(end)) for start, end in edges.reshape(-1, 2))


def make_set(
    location: str | os.PathLike[str],
    videos: Mapping[Split, Sequence[np.ndarray]],
    *,
    window: int = 5,
    codec: Codec | None = None,
    labels: Sequence[ArrayLike] | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> Manifest:
    """Write a shard set and return its manifest.

    Args:
        location: of the set.
        videos: frames uint8 (F, H, W, 3) of each video of each split; they are named 01, 02, …
        window: T, the longest window to serve.
        codec: raw unless given.
        labels: one (F,) per testing video, True (or 1) where abnormal.
        shard_bytes: small values give several shards per video.
    """
    storage = Storage(location)
    codec = codec or Codec()
    made = []
    for split in sorted(videos):
        for index, frames in enumerate(videos[split]):
            name = f"{index + 1:02d}"
            count, shards = write_video(
                storage,
                split,
                name,
                drawn(frames),
                frames.shape[1:3],
                window=window,
                codec=codec,
                shard_bytes=shard_bytes,
            )
            abnormal = intervals(labels[index]) if labels is not None and split == "testing" else None
            made.append(
                Video(
                    name=name,
                    split=split,
                    frames=count,
                    source={"bytes": frames.nbytes, "digest": digest_of([frames.tobytes()])},
                    shards=shards,
                    abnormal=abnormal,
                    label_source=None if abnormal is None else "test",
                )
            )
    height, width = next(frames.shape[1:3] for split in videos.values() for frames in split)
    manifest = Manifest(
        dataset="folder",
        geometry=Geometry(height=height, width=width),
        codec=codec,
        window=window,
        videos=Videos.of(made),
    )
    return write_manifest(storage, manifest)


def drawn(frames: Iterable[np.ndarray]) -> Iterator[Draw]:
    """Frames uint8 (H, W, 3) in the form in which a writer takes them."""
    return (partial(np.copyto, src=frame) for frame in frames)


def pack_set(location: str | os.PathLike[str]) -> Manifest:
    """Let the videos of a set by `make_set` share shards; returns its manifest."""
    storage = Storage(location)
    manifest = load_manifest(storage)
    videos, packings = revised(manifest.videos, range(len(manifest.videos)), [], (), compact=True)
    for packing in packings:
        write_packing(storage, packing, lambda name: name)
    return write_manifest(storage, replace(manifest, videos=videos))


def exchange_frames(folder: Path, scratch: Path) -> None:
    """Put other frames into the shards of the training videos, of which the tables know nothing.

    Args:
        folder: of a set by `make_set`, in raw frames.
        scratch: a folder that is not there yet.
    """
    manifest = load_manifest(Storage(folder))
    size = (manifest.geometry.height, manifest.geometry.width)
    frames = [random_frames(video.frames, size, seed=99) for video in manifest.split("training")]
    make_set(scratch, {"training": frames}, window=manifest.window)
    before, after = (sorted(each.glob("training-*.tar")) for each in (folder, scratch))
    for old, new in zip(before, after, strict=True):
        new.replace(old)


def set_bytes(folder: Path) -> dict[str, bytes]:
    """The files of a set by their paths in it; not what differs from run to run by design."""
    files = {
        path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
    }
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if name != "config.toml" and not name.startswith("stamps-")
    }


def stored_frames(folder: Path, split: Split, name: str) -> np.ndarray:
    """All frames of a video, uint8 (frames, H, W, 3), from the bytes that its shards hold."""
    manifest = load_manifest(Storage(folder))
    video = next(video for video in manifest.split(split) if video.name == name)
    height, width = manifest.geometry.height, manifest.geometry.width
    frames = np.zeros((video.frames, height, width, 3), np.uint8)
    for shard in video.shards:
        data = memoryview((folder / shard.name).read_bytes())
        for segment in shard.segments:
            record = data[segment.offset : segment.offset + segment.size]
            shape = (segment.frames, height, width, segment.channels)
            frames[segment.first : segment.first + segment.frames] = manifest.codec.pixels.decode(
                record, segment.key, shape
            )
    return frames
