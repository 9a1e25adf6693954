"""A contact sheet: sample windows of a shard set on one picture."""

import numpy as np

from pipeline.video.images import encode_png, resized, write_text
from shards.choices import SPLITS
from shards.errors import ShardError
from shards.manifest import Manifest
from shards.reader import SegmentReader
from shards.storage import Storage

_TILE = 96
"""Height of a frame on the sheet, pixels."""
_MARGIN = 4
_HEADING = 16
_ABNORMAL = (60, 60, 230)
_PLAIN = (40, 40, 40)


def contact_sheet(storage: Storage, manifest: Manifest, rows: int) -> bytes:
    """A PNG with up to `rows` windows per split, evenly spread; abnormal frames have a red edge.

    Raises:
        ShardError: there is no window, or one cannot be read.
    """
    pieces = []
    reader = SegmentReader(storage, manifest)
    for split in SPLITS:
        located = manifest.segments(split, manifest.window)
        located = located.select(located.windows > 0)
        chosen = np.unique(np.linspace(0, len(located) - 1, min(rows, len(located))).round().astype(int))
        for index in chosen if len(located) else ():
            segment = located[int(index)]
            video = manifest.split(split)[segment.video]
            frames = reader.read(segment)[: manifest.window]
            numbers = segment.segment.first + np.arange(len(frames))
            labels = video.labels
            flags = np.zeros(len(frames), bool) if labels is None else labels[numbers]
            title = f"{split} {video.name}, frames {numbers[0]} to {numbers[-1]}"
            pieces.append(_row(np.broadcast_to(frames, (*frames.shape[:3], 3)), flags, title))
    if not pieces:
        raise ShardError(f"{storage}: no video is as long as a window of {manifest.window} frames")
    return encode_png(np.concatenate(pieces))


def _row(frames: np.ndarray, flags: np.ndarray, title: str) -> np.ndarray:
    width = max(1, round(_TILE * frames.shape[2] / frames.shape[1]))
    tiles = []
    for frame, is_abnormal in zip(resized(frames, (_TILE, width)), flags, strict=True):
        tile = np.full(
            (_TILE + 2 * _MARGIN, width + 2 * _MARGIN, 3), _ABNORMAL if is_abnormal else _PLAIN, np.uint8
        )
        tile[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = frame
        tiles.append(tile)
    row = np.concatenate(tiles, axis=1)
    heading = np.full((_HEADING, row.shape[1], 3), _PLAIN, np.uint8)
    return np.concatenate([write_text(heading, title), row])
