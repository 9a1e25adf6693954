"""Videos as batches for a scorer, without shards."""

import weakref
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from shards.entries import Geometry
from shards.windows import VideoBatch, normalise, sliding_windows


def batches(
    videos: Sequence[np.ndarray],
    *,
    window: int = 5,
    batch: int = 8,
    alive: list[weakref.ref[np.ndarray]] | None = None,
) -> Iterator[VideoBatch]:
    """The windows of videos uint8 (F, H, W, 3), frame by frame.

    Args:
        videos: in order.
        window: T.
        batch: B, at most.
        alive: is given a reference to the memory of each batch of windows.
    """
    geometry = Geometry(height=videos[0].shape[1], width=videos[0].shape[2])
    for index, frames in enumerate(videos):
        arriving = torch.from_numpy(frames).split(1)
        for numbers, windows in sliding_windows(arriving, window=window, batch=batch):
            values = normalise(windows, geometry).numpy()
            if alive is not None:
                values = values.copy()
                alive.append(weakref.ref(values))
            yield VideoBatch(video=index, frames=numbers, windows=torch.from_numpy(values))
