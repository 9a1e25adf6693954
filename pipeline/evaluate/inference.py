"""Runs the model over videos in order, and groups what comes out by video."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from mnad import MNAD, FrameScores, Observed, score_batch
from mnad.scoring import Distance, feature_distance
from pipeline.errors import CheckpointError
from pipeline.evaluate.config import MemoryMode
from shards.stream import VideoBatch

_CPU_BATCH_PIXELS = 8 * 64 * 64
"""Pixels that a CPU scores at a time, 8 windows of 64x64 or one of larger frames: more run no faster there
(46 against 45 windows/s at 64x64, 2.3 against 2.9 at 256x256), and lose more to each wrong guess."""


def largest_batch(wanted: int, height: int, width: int, device: torch.device) -> int:
    """The batch size to use where `wanted` is asked for: on a CPU at most what stays fast.

    No score depends on it.
    """
    return wanted if device.type != "cpu" else max(1, min(wanted, _CPU_BATCH_PIXELS // (height * width)))


def full_float32() -> AbstractContextManager[None]:
    """The context in which CUDA, too, convolves float32 with all of its 24 bits.

    By default cuDNN rounds what it convolves to TF32's 11. Rounded so on a CPU, the published scores moved
    by 5e-4 dB, where without it they are met to 1e-6 dB.
    """
    return torch.backends.cudnn.flags(enabled=torch.backends.cudnn.enabled, allow_tf32=False)


@dataclass(frozen=True, kw_only=True)
class ScoredVideo:
    """What the model says of one video.

    Attributes:
        video: index into the split's videos.
        frames: (F,) int64, numbers of the scored frames.
        scores: of those frames.
    """

    video: int
    frames: np.ndarray
    scores: FrameScores


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """How windows are scored.

    Attributes:
        model: in eval mode, on the device.
        memory: see EvaluateConfig.
        threshold: frames whose point score is below it update the memory.
        bf16: whether convolutions run in bfloat16.
        distance: gives the feature distances.
        observe: is told what was seen of each batch.
    """

    model: MNAD
    memory: MemoryMode
    threshold: float
    bf16: bool
    distance: Distance = feature_distance
    observe: Callable[[VideoBatch, Observed], None] | None = None

    def videos(self, batches: Iterable[VideoBatch], advance: Callable[[int], None]) -> Iterator[ScoredVideo]:
        """Score batches of videos in order; `advance` is told the frames done.

        Raises:
            CheckpointError: the model gives something that is no number.
        """
        items = trained = self.model.memory.items
        for video, group in groupby(batches, key=lambda batch: batch.video):
            if self.memory != "carry":
                items = trained
            frames: list[np.ndarray] = []
            parts: list[FrameScores] = []
            for batch in group:
                scores, items = self._score(batch, items, parts[-1:])
                _check_finite(batch, scores)
                frames.append(batch.frames)
                parts.append(scores)
                advance(len(batch.frames))
            yield ScoredVideo(video=video, frames=np.concatenate(frames), scores=FrameScores.join(parts))

    def _score(
        self, batch: VideoBatch, items: Tensor, before: list[FrameScores]
    ) -> tuple[FrameScores, Tensor]:
        frozen = self.memory == "frozen"
        guess = bool(before[0].memory_updated[-1]) if before else not frozen
        observe = None if self.observe is None else partial(self.observe, batch)
        with torch.autocast(batch.windows.device.type, torch.bfloat16, enabled=self.bf16):
            threshold = -np.inf if frozen else self.threshold
            return score_batch(
                self.model,
                batch.windows,
                items,
                threshold,
                guess=guess,
                distance=self.distance,
                observe=observe,
            )


def _check_finite(batch: VideoBatch, scores: FrameScores) -> None:
    for name in ("psnr", "feature_distance", "point_score"):
        wrong = np.isnan(getattr(scores, name))
        if wrong.any():
            frame = batch.frames[wrong.argmax()]
            raise CheckpointError(
                f"the model's {name} is not a number at frame {frame} of video {batch.video}; "
                "its training diverged: take an earlier checkpoint or train again"
            )
