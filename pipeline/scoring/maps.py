"""Error maps of frames as files: where in a frame the anomaly is.

`OUT/maps/<video>-<first frame>.npz` holds CHUNK consecutive frames, the last of a video's fewer: `maps` uint8
(F, H, W), `first`, the number of the first, and `work`, a digest of what they were computed from
(`pipeline.scoring.works`). A value v
stands for the error (v / 255)⁴, squared error times its weight in the point score; so v grows with the
difference of the pixel itself, and one byte is enough.
"""

import io
import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from mnad.scoring import error_map
from pipeline.errors import ReportError
from pipeline.runs.arrays import DAMAGE, array_of, read_arrays
from pipeline.scoring.scorer import ScoredBatch
from shards.errors import TooLargeError
from shards.names import STEM
from shards.storage import Storage
from shards.zips import content, opened

FOLDER = "maps"
_MAPS = re.compile(rf"{STEM}-\d{{8,}}\.npz")
"""Files that only an evaluation writes, and may remove."""
_TYPES = {"maps": "|u1", "first": "<i8", "work": "<U"}
"""The types of the arrays in a file, as numpy writes them."""
CHUNK = 512
"""Frames per file; of 256x256 they take 34 MB of memory, and a fraction of that on disk."""
_MOST_OTHER = 64 << 10
"""Bytes of a file besides its maps; they take 1 kB."""
_MOST_MAP_BYTES = 2 << 30
"""The largest file in a bucket, in bytes, which is held whole: maps of 2048x2048."""
_MOST_TEXT = 4096
"""Bytes of the array `work`; it takes 384."""


class MapWriter:
    """The sink that keeps error maps: it writes the files of each video, one after the other.

    Args:
        out: the evaluation.
        works: what the maps of each of the split's videos are computed from.
        stems: of the file names of the split's videos.
    """

    def __init__(self, out: Storage, works: Sequence[str], stems: Sequence[str]) -> None:
        self._out = out
        self._works = works
        self._stems = stems
        self._video = 0
        self._first = 0
        self._held: list[np.ndarray] = []
        self._written: list[str] = []

    def observe(self, scored: ScoredBatch) -> None:
        """Take the next batch."""
        if scored.video != self._video:
            self._flush()
        self._video = scored.video
        levels = (error_map(scored.seen.error).sqrt().sqrt() * 255).round().to(torch.uint8)
        for frame, level in zip(scored.frames, levels.cpu().numpy(), strict=True):
            if not self._held:
                self._first = int(frame)
            self._held.append(level)
            if len(self._held) == CHUNK:
                self._flush()

    def close(self) -> None:
        """Write what is held."""
        self._flush()

    def discard(self) -> None:
        """Remove all files."""
        for name in self._written:
            self._out.delete(name)

    def _flush(self) -> None:
        if self._held:
            buffer = io.BytesIO()
            np.savez_compressed(
                buffer,
                maps=np.stack(self._held),
                first=np.int64(self._first),
                work=np.str_(self._works[self._video]),
            )
            name = _name(self._stems[self._video], self._first)
            self._out.write(name, buffer.getvalue())
            self._written.append(name)
            self._held = []


def read_maps(out: Storage, stem: str, frames: np.ndarray, work: str, size: tuple[int, int]) -> np.ndarray:
    """A video's maps (F, H, W) uint8.

    Args:
        out: the evaluation.
        stem: of the video's file names.
        frames: (F,) its scored frames.
        work: what they are computed from.
        size: H and W.

    Raises:
        ReportError: they are damaged, or of another work.
    """
    parts: list[np.ndarray] = []
    done = 0
    while done < len(frames):
        name = _name(stem, int(frames[done]))
        try:
            part = read_arrays(out.read(name, most=_most_bytes(size)), _TYPES, CHUNK * size[0] * size[1])
            maps = part["maps"]
            if (part["work"].tolist(), part["first"].tolist()) != (work, int(frames[done])):
                raise ValueError("maps of another evaluation")
            if maps.ndim != 3 or maps.shape[1:] != size or not 0 < len(maps) <= len(frames) - done:
                raise ValueError(f"found maps {maps.shape}")
        except TooLargeError as error:
            raise ReportError(str(error)) from error
        except ValueError as error:
            raise ReportError(
                f"{out}/{name}: {error}; run evaluate again, one at a time in a folder"
            ) from error
        parts.append(maps)
        done += len(maps)
    return np.concatenate(parts)


def delete_maps(out: Storage, works: Mapping[str, str]) -> None:
    """Remove all maps but those of works that are wanted, by the stem of each video."""
    for name in out.names(FOLDER):
        stem = name.rpartition("-")[0]
        if _MAPS.fullmatch(name) and not (stem in works and _work_of(out, f"{FOLDER}/{name}") == works[stem]):
            out.delete(f"{FOLDER}/{name}")


def has_maps(out: Storage, stem: str, frames: np.ndarray, work: str) -> bool:
    """Whether all of a video's maps are there, from exactly this work; arguments as of `read_maps`."""
    names = [_name(stem, int(first)) for first in frames[::CHUNK]]
    return all(_work_of(out, name) == work for name in names)


def _most_bytes(size: tuple[int, int]) -> int:
    """Of a file of maps of height and width `size`: deflate adds 1/3,000 to what it cannot make smaller."""
    return CHUNK * size[0] * size[1] * 1001 // 1000 + _MOST_OTHER


def _work_of(out: Storage, name: str) -> str | None:
    """What the maps in a file are computed from; None if it is missing or damaged."""
    try:
        with out.open(name, most=_MOST_MAP_BYTES) as file, opened(file) as archive:
            info = archive.getinfo("work.npy")
            if info.file_size > _MOST_TEXT:
                return None
            return str(array_of("work", content(archive, info), _TYPES["work"]))
    except (*DAMAGE, TooLargeError, KeyError, ValueError):
        return None


def _name(stem: str, first: int) -> str:
    return f"{FOLDER}/{stem}-{first:08d}.npz"
