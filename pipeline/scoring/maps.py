"""Error maps of frames as files: where in a frame the anomaly is.

`OUT/maps/<video>-<first frame>.npz` holds CHUNK consecutive frames, the last of a video's fewer: `maps` uint8
(F, H, W), `first`, the number of the first, and `work`, a digest of what they were computed from. A value v
stands for the error (v / 255)⁴, squared error times its weight in the point score; so v grows with the
difference of the pixel itself, and one byte is enough.
"""

import io
import re
from collections.abc import Sequence

import numpy as np
import torch

from mnad.scoring import error_map
from pipeline.errors import ReportError
from pipeline.runs.arrays import read_arrays
from pipeline.scoring.scorer import ScoredBatch
from shards.names import STEM
from shards.storage import Storage

FOLDER = "maps"
_MAPS = re.compile(rf"{STEM}-\d{{8,}}\.npz")
"""Files that only an evaluation writes, and may remove."""
_TYPES = {"maps": "|u1", "first": "<i8", "work": "<U"}
"""Of the arrays in a file."""
CHUNK = 512
"""Frames per file; of 256x256 they take 34 MB of memory, and a fraction of that on disk."""


class MapWriter:
    """The sink that keeps error maps: it writes the files of each video, one after the other.

    Args:
        out: the evaluation.
        work: digest of its provenance.
        stems: of the file names of the split's videos.
    """

    def __init__(self, out: Storage, work: str, stems: Sequence[str]) -> None:
        self._out = out
        self._work = work
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
                buffer, maps=np.stack(self._held), first=np.int64(self._first), work=np.str_(self._work)
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
        work: digest of the evaluation's provenance.
        size: H and W.

    Raises:
        ReportError: they are damaged, or of another work.
    """
    parts: list[np.ndarray] = []
    done = 0
    while done < len(frames):
        name = _name(stem, int(frames[done]))
        try:
            part = read_arrays(out.read(name), _TYPES, CHUNK * size[0] * size[1])
            maps = part["maps"]
            if (part["work"].tolist(), part["first"].tolist()) != (work, int(frames[done])):
                raise ValueError("maps of another evaluation")
            if maps.ndim != 3 or maps.shape[1:] != size or not 0 < len(maps) <= len(frames) - done:
                raise ValueError(f"found maps {maps.shape}")
        except ValueError as error:
            raise ReportError(
                f"{out}/{name}: {error}; run evaluate again, one at a time in a folder"
            ) from error
        parts.append(maps)
        done += len(maps)
    return np.concatenate(parts)


def delete_maps(out: Storage) -> None:
    """Remove all maps."""
    for name in out.names(FOLDER):
        if _MAPS.fullmatch(name):
            out.delete(f"{FOLDER}/{name}")


def _name(stem: str, first: int) -> str:
    return f"{FOLDER}/{stem}-{first:08d}.npz"
