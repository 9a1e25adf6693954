"""What a report shows besides scores, gathered while scoring: pictures, and how the memory was used.

One file per process under `OUT/exhibits/`, a plain npz, with a digest of what it was computed from as `work`.
"""

import dataclasses
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mnad import Observed
from mnad.memory import similarity
from mnad.scoring import error_map
from pipeline.errors import ReportError
from pipeline.evaluate.arrays import read_arrays
from pipeline.evaluate.scores import FOLDER as SCORES
from shards.opencv import cv2
from shards.storage import Storage

FOLDER = "exhibits"
_PART = re.compile(r"part-\d{5,}-of-\d{5,}\.npz")
"""Files that only an evaluation writes, and may remove."""
MOST_PICTURES = 1000
"""Pictures in one evaluation: some 5 kB each, so a report stays below 10 MB."""
_PICTURE_SIDE = 128
"""The longest side of one of a picture's three parts, pixels."""
_SHORTEST_SIDE = 8
_QUALITY = 80
_ERROR_GAIN = 2.5
"""A difference of 40 % of the range is shown as the brightest error."""


@dataclass(frozen=True, kw_only=True)
class Exhibits:
    """What one or more processes gathered.

    Attributes:
        video: (P,) str, name of each picture's video.
        frame: (P,) int64, its frame number.
        pictures: P JPEGs: real frame, prediction and error side by side.
        queries: (P, D) float32, one query of each of those frames.
        items: (M, D) float32, the trained memory.
        nearest: (rows, columns, M) int64, in how many frames each item was the nearest at each place.
    """

    video: np.ndarray
    frame: np.ndarray
    pictures: list[bytes]
    queries: np.ndarray
    items: np.ndarray
    nearest: np.ndarray


class Collector:
    """Gathers exhibits of every `stride`-th frame.

    Args:
        items: (M, D) the trained memory.
        stride: see `stride_for`.
        grid: rows and columns of queries in a frame.
    """

    def __init__(self, items: Tensor, stride: int, grid: tuple[int, int]) -> None:
        self._items = items
        self._stride = stride
        self._nearest = torch.zeros((*grid, len(items)), dtype=torch.int64, device=items.device)
        self._video: list[str] = []
        self._frame: list[int] = []
        self._pictures: list[bytes] = []
        self._queries: list[np.ndarray] = []

    def observe(
        self, video: str, frames: np.ndarray, seen: Observed, shape: tuple[int, int] | None = None
    ) -> None:
        """Take what is wanted of consecutive frames.

        Args:
            video: their name.
            frames: (B,) frame numbers of the batch that `seen` is a part of.
            seen: those windows.
            shape: height and width of the video's frames, in whose proportions pictures are shown; None for
                those of stored frames.
        """
        nearest = similarity(seen.queries, seen.items).argmax(dim=-1)
        self._nearest.view(-1, len(self._items)).scatter_add_(1, nearest.mT, torch.ones_like(nearest.mT))
        numbers = frames[seen.first : seen.first + len(seen.frame)]
        chosen = np.flatnonzero(numbers % self._stride == 0)
        if not len(chosen):
            return
        rows = torch.from_numpy(chosen).to(seen.frame.device)
        strips = _strips(seen, rows, shape).cpu().numpy()
        # All places in turn, in an order without pattern.
        places = torch.from_numpy(numbers[chosen] // self._stride * 7919 % seen.queries.shape[1])
        self._queries.append(seen.queries[rows, places.to(rows.device)].cpu().numpy())
        self._video += [video] * len(chosen)
        self._frame += numbers[chosen].tolist()
        self._pictures += [_jpeg(strip) for strip in strips]

    def exhibits(self) -> Exhibits:
        """Everything gathered."""
        width = self._items.shape[1]
        return Exhibits(
            video=np.array(self._video, np.str_),
            frame=np.array(self._frame, np.int64),
            pictures=self._pictures,
            queries=np.concatenate([np.zeros((0, width), np.float32), *self._queries]),
            items=self._items.cpu().numpy(),
            nearest=self._nearest.cpu().numpy(),
        )


def stride_for(frames: int) -> int:
    """The smallest stride that gives at most MOST_PICTURES of all `frames`."""
    return max(1, -(-frames // MOST_PICTURES))


def source_shape(facts: dict[str, Any]) -> tuple[int, int] | None:
    """Height and width of a video's first frame as it was decoded, from its record in the manifest."""
    try:
        _, height, width = facts["sizes"][0]
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    if not all(type(edge) is int and edge > 0 for edge in (height, width)):
        return None
    return height, width


def picture_size(stored: tuple[int, int], shape: tuple[int, int] | None) -> tuple[int, int]:
    """Height and width of a picture: the proportions of `shape`, the detail of `stored` frames if it fits.

    Args:
        stored: height and width of stored frames.
        shape: of the video's frames; None for the same.
    """
    height, width = stored if shape is None else shape
    scale = max(stored[0] / height, stored[1] / width)
    scale = min(scale, _PICTURE_SIDE / max(height, width))
    return max(_SHORTEST_SIDE, round(scale * height)), max(_SHORTEST_SIDE, round(scale * width))


def _strips(seen: Observed, rows: Tensor, shape: tuple[int, int] | None) -> Tensor:
    """Pictures uint8 (P, h, 3 w, 3) BGR: target, frame, error; the error still gray."""
    target, frame = (((x[rows].float() + 1) * 127.5).clamp(0, 255) for x in (seen.target, seen.frame))
    # The fourth root brings a squared error times its own weight back to the scale of a pixel's difference.
    error = error_map(seen.error[rows]).sqrt().sqrt() * (255 * _ERROR_GAIN)
    size = picture_size((target.shape[-2], target.shape[-1]), shape)
    parts = [target, frame, error.clamp(0, 255)[:, None].expand_as(target)]
    if size != target.shape[-2:]:
        parts = [F.interpolate(part, size=size, mode="bilinear", antialias=True) for part in parts]
    return torch.cat(parts, dim=3).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _jpeg(strip: np.ndarray) -> bytes:
    third = strip.shape[1] // 3
    heat = cv2.applyColorMap(np.ascontiguousarray(strip[:, 2 * third :, 0]), cv2.COLORMAP_INFERNO)
    picture = np.concatenate([strip[:, : 2 * third], heat], axis=1)
    _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return data.tobytes()


_TYPES = {
    "video": "<U",
    "frame": "<i8",
    "queries": "<f4",
    "items": "<f4",
    "nearest": "<i8",
    "picture_ends": "<i8",
    "picture_data": "|u1",
    "work": "<U",
}
"""Of the arrays in a file."""


def _name(rank: int, processes: int) -> str:
    return f"{FOLDER}/part-{rank:05d}-of-{processes:05d}.npz"


def write_exhibits(out: Storage, rank: int, processes: int, exhibits: Exhibits, work: str) -> None:
    """Write one process's exhibits, marked with the digest of the evaluation's provenance."""
    arrays = {
        field.name: getattr(exhibits, field.name)
        for field in dataclasses.fields(Exhibits)
        if field.name != "pictures"
    }
    ends = np.cumsum([len(picture) for picture in exhibits.pictures])
    data = np.frombuffer(b"".join(exhibits.pictures), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, picture_ends=ends.astype(np.int64), picture_data=data, work=np.str_(work))
    out.write(_name(rank, processes), buffer.getvalue())


def delete_without_part(out: Storage) -> None:
    """Remove the files whose process's part of the table is not there."""
    for name in out.names(FOLDER):
        if _PART.fullmatch(name) and not out.exists(f"{SCORES}/{name.removesuffix('.npz')}.parquet"):
            out.delete(f"{FOLDER}/{name}")


def read_exhibits(out: Storage, processes: int, work: str) -> Exhibits | None:
    """All processes' exhibits together, or None where none were gathered.

    Raises:
        ReportError: a file is damaged, or of another work.
    """
    if not all(out.exists(_name(rank, processes)) for rank in range(processes)):
        return None
    return _join([_read(out, _name(rank, processes), work) for rank in range(processes)])


def _read(out: Storage, name: str, work: str) -> Exhibits:
    data = out.read(name)
    try:
        arrays = read_arrays(data, _TYPES, len(data))
        if arrays.pop("work").tolist() != work:
            raise ValueError("pictures of another evaluation")
        ends, pictures = arrays.pop("picture_ends"), arrays.pop("picture_data").tobytes()
        _check(ends, len(pictures), **arrays)
    except ValueError as error:
        raise ReportError(f"{out}/{name}: {error}; run evaluate again, one at a time in a folder") from error
    starts = [0, *ends[:-1].tolist()]
    cut = [pictures[start:end] for start, end in zip(starts, ends.tolist(), strict=False)]
    return Exhibits(pictures=cut, **arrays)


def _check(
    ends: np.ndarray,
    size: int,
    *,
    video: np.ndarray,
    frame: np.ndarray,
    queries: np.ndarray,
    items: np.ndarray,
    nearest: np.ndarray,
) -> None:
    """Refuse what no evaluation writes; `ends` are those of pictures in `size` bytes."""
    count = len(frame) if frame.ndim == 1 else -1
    if not video.shape == frame.shape == ends.shape == (count,):
        raise ValueError(f"found {video.shape} videos, {frame.shape} frames and {ends.shape} pictures")
    if (np.diff(ends, prepend=0) < 0).any() or (count and ends[-1] != size):
        raise ValueError("pictures overlap or are cut off")
    if items.ndim != 2 or queries.shape != (count, items.shape[1]):
        raise ValueError(f"found queries {queries.shape}, items {items.shape}")
    if nearest.ndim != 3 or nearest.shape[2] != len(items) or nearest.min(initial=0) < 0 or not nearest.any():
        raise ValueError(f"found counts {nearest.shape} of {len(items)} items")
    if not (np.isfinite(queries).all() and np.isfinite(items).all()):
        raise ValueError("found queries or items that are not finite")


def _join(parts: Sequence[Exhibits]) -> Exhibits:
    return Exhibits(
        video=np.concatenate([part.video for part in parts]),
        frame=np.concatenate([part.frame for part in parts]),
        pictures=[picture for part in parts for picture in part.pictures],
        queries=np.concatenate([part.queries for part in parts]),
        items=parts[0].items,
        nearest=np.sum([part.nearest for part in parts], axis=0),
    )
