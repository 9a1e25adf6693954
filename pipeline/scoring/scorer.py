"""Runs the model over windows in order, and gives what it says of them a batch at a time."""

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mnad import MNAD, FrameScores, Observed, score_apart, score_batch
from mnad.scoring import Distance, feature_distance
from pipeline.errors import CheckpointError
from pipeline.scoring.choices import MemoryMode
from shards.windows import VideoBatch

_CPU_BATCH_PIXELS = 8 * 64 * 64
"""Pixels that a CPU scores at a time, 8 windows of 64x64 or one of larger frames: more run no faster there
(46 against 45 windows/s at 64x64, 2.3 against 2.9 at 256x256), and lose more to each wrong guess."""
_SEEN = tuple(field.name for field in dataclasses.fields(Observed) if field.name != "first")
"""The names of the tensors of `Observed` that have a row per window."""


def largest_batch(wanted: int, height: int, width: int, device: torch.device) -> int:
    """The batch size to use where `wanted` is asked for: on a CPU at most what stays fast.

    No score depends on it.
    """
    return wanted if device.type != "cpu" else max(1, min(wanted, _CPU_BATCH_PIXELS // (height * width)))


class _Rounding:
    """Whether cuDNN may round float32, which is one setting for all threads of a process.

    Several may be within `full_float32` at a time. The first takes the setting away, and the last gives back
    what the first has found.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._before = False

    def enter(self) -> None:
        with self._lock:
            if not self._within:
                self._before = torch.backends.cudnn.allow_tf32
                torch.backends.cudnn.allow_tf32 = False
            self._within += 1

    def leave(self) -> None:
        with self._lock:
            self._within -= 1
            if not self._within:
                torch.backends.cudnn.allow_tf32 = self._before


_rounding = _Rounding()


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """The context in which CUDA, too, convolves float32 with all of its 24 bits, in whichever thread.

    By default cuDNN rounds what it convolves to TF32's 11. Rounded so on a CPU, the published scores moved
    by 5e-4 dB, where without it they are met to 1e-6 dB.
    """
    _rounding.enter()
    try:
        yield
    finally:
        _rounding.leave()


@dataclass(frozen=True, kw_only=True)
class ScoredBatch:
    """What the model says of consecutive windows of one video.

    Attributes:
        video: as in VideoBatch.
        frames: (B,) int64, numbers of the scored frames.
        scores: of those frames.
        seen: of those windows, all B; what it holds on the device goes with it.
        after: (M, D) the memory after the last of them.
    """

    video: int
    frames: np.ndarray
    scores: FrameScores
    seen: Observed
    after: Tensor


@dataclass(frozen=True, kw_only=True)
class Scorer:
    """How windows are scored.

    Attributes:
        model: in eval mode, on the device.
        memory: how scored frames update it.
        threshold: frames whose point score is below it update the memory.
        bf16: whether convolutions run in bfloat16.
        distance: gives the feature distances.
        start: (M, D) the memory that the first video starts with where it is carried on; None for the trained
            one.
    """

    model: MNAD
    memory: MemoryMode
    threshold: float
    bf16: bool
    distance: Distance = feature_distance
    start: Tensor | None = None

    def scored(self, batches: Iterable[VideoBatch]) -> Iterator[ScoredBatch]:
        """Score batches of videos in order, each as soon as it is there; nothing is kept but the memory.

        Raises:
            CheckpointError: the model gives something that is no number.
        """
        trained = self.model.memory.items
        items = trained if self.start is None else self.start
        video, guess = -1, False
        for batch in batches:
            if batch.video != video:
                video, guess = batch.video, self.memory != "frozen"
                items = items if self.memory == "carry" else trained
            scored = self._score(batch, items, guess)
            items, guess = scored.after, bool(scored.scores.memory_updated[-1])
            yield scored

    def apart(self, windows: Tensor, items: Tensor) -> tuple[FrameScores, Observed, Tensor]:
        """Score windows (B, T, 3, H, W) of different videos, each with its memory, items (B, M, D).

        Returns:
            Scores, what was seen, and the memories after that.

        Raises:
            CheckpointError: the model gives something that is no number.
        """
        with torch.autocast(windows.device.type, torch.bfloat16, enabled=self.bf16):
            scores, seen, after = score_apart(
                self.model,
                windows,
                items,
                -np.inf if self.memory == "frozen" else self.threshold,
                distance=self.distance,
            )
        _check_finite(scores, lambda index: f"window {index} of several cameras")
        return scores, seen, after

    def _score(self, batch: VideoBatch, items: Tensor, guess: bool) -> ScoredBatch:
        passes: list[Observed] = []

        def keep(seen: Observed) -> None:
            # A pass that was right only at first holds room for all of its frames: what is kept is copied.
            passes.append(seen if len(seen.frame) == len(batch.frames) else _joined([seen]))

        with torch.autocast(batch.windows.device.type, torch.bfloat16, enabled=self.bf16):
            scores, items = score_batch(
                self.model,
                batch.windows,
                items,
                -np.inf if self.memory == "frozen" else self.threshold,
                guess=guess,
                distance=self.distance,
                observe=keep,
            )
        _check_finite(scores, lambda index: f"frame {batch.frames[index]} of video {batch.video}")
        seen = passes[0] if len(passes) == 1 else _joined(passes)
        return ScoredBatch(video=batch.video, frames=batch.frames, scores=scores, seen=seen, after=items)


def _joined(passes: Sequence[Observed]) -> Observed:
    """What consecutive passes saw as one, in tensors of its own."""
    tensors = {name: torch.cat([getattr(seen, name) for seen in passes]) for name in _SEEN}
    return Observed(first=passes[0].first, **tensors)


def _check_finite(scores: FrameScores, where: Callable[[int], str]) -> None:
    for name in ("psnr", "feature_distance", "point_score"):
        wrong = np.isnan(getattr(scores, name))
        if wrong.any():
            raise CheckpointError(
                f"the model's {name} is not a number at {where(int(wrong.argmax()))}; its training diverged: "
                "take an earlier checkpoint or train again"
            )
