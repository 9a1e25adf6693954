"""Error maps of frames as files: where in a frame the anomaly is.

`OUT/maps/<video>-<first frame>.npz` holds some CHUNK consecutive frames: `maps` uint8 (F, H, W), `first`, the
number of the first, and `work`, a digest of what they were computed from. A value v stands for the error
(v / 255)⁴, squared error times its weight in the point score; so v grows with the difference of the pixel
itself, and one byte is enough.
"""

import io
import re

import numpy as np
import torch

from mnad import Observed
from mnad.scoring import error_map
from pipeline.errors import ReportError
from pipeline.evaluate.arrays import read_arrays
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
    """Writes the maps of videos whose frames come in order, one video after the other.

    Args:
        out: the evaluation.
        work: digest of its provenance.
    """

    def __init__(self, out: Storage, work: str) -> None:
        self._out = out
        self._work = work
        self._stem = ""
        self._first = 0
        self._held: list[np.ndarray] = []

    def observe(self, stem: str, frames: np.ndarray, seen: Observed) -> None:
        """Take consecutive frames.

        Args:
            stem: of the video's file names.
            frames: (B,) frame numbers of the batch that `seen` is a part of.
            seen: those windows.
        """
        first = int(frames[seen.first])
        if stem != self._stem or len(self._held) >= CHUNK:
            self.flush()
            self._stem, self._first = stem, first
        levels = (error_map(seen.error).sqrt().sqrt() * 255).round().to(torch.uint8)
        self._held += list(levels.cpu().numpy())

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            buffer = io.BytesIO()
            np.savez_compressed(
                buffer, maps=np.stack(self._held), first=np.int64(self._first), work=np.str_(self._work)
            )
            self._out.write(_name(self._stem, self._first), buffer.getvalue())
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
