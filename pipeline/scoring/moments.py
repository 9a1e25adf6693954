"""From frames with their times to moments: what the model says of each frame as soon as it can be said.

Files and cameras, a frame pushed at a time or many drawn in a row, go through the same windows and the same
model as `evaluate`, so they give the scores that it gives. Memory holds a batch of frames, however long the
video is.

Dimension letters: C channels, H W height and width of what the model sees, S boxes (of `mnad.local_error`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mnad import FrameScores
from mnad.evidence import GAP
from mnad.local_error import TABLE_SCALES, LocalError, Place
from mnad.scoring import error_map
from pipeline.scoring.scorer import ScoredBatch, Scorer
from pipeline.video.images import resized
from pipeline.video.profiles import Profiler
from pipeline.video.timed import TimedFrame
from shards.entries import Geometry
from shards.windows import SlidingWindow, VideoBatch, normalise


@dataclass(frozen=True, kw_only=True)
class Gaze:
    """Where in a frame local errors are looked for.

    Attributes:
        boxes: the S boxes of the evidence.
        table: the one box of the column `local_error`.
    """

    boxes: LocalError
    table: LocalError

    @classmethod
    def through(cls, keep: Tensor, gain: Tensor | None = None) -> "Gaze":
        """What looks at frames through a mask (H, W) bool, with gains (H, W) in dB, on the mask's device.

        Raises:
            ValueError: as `LocalError.looking_at`.
        """
        return cls(
            boxes=LocalError.looking_at(keep, gain),
            table=LocalError.looking_at(keep, gain, TABLE_SCALES),
        )

    def looks(self, error: Tensor) -> "Looks":
        """What it finds in squared errors (B, C, H, W), on its device."""
        return Looks(
            gaze=self,
            error=error,
            local=self.boxes(error).cpu().numpy(),
            table=self.table(error)[:, 0].tolist(),
        )


@dataclass(frozen=True, kw_only=True)
class Looks:
    """What was found in B frames.

    Attributes:
        gaze: that looked.
        error: (B, C, H, W).
        local: (B, S) float64, dB, in the boxes of the evidence.
        table: B values, dB, in the box of the column.
    """

    gaze: Gaze
    error: Tensor
    local: np.ndarray
    table: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A scored frame. Who keeps one keeps the pictures and errors of its whole batch with it.

    Attributes:
        frame: number of the frame in its video.
        seconds: its time.
        picture: uint8 BGR, as it was given.
        psnr, feature_distance, point_score, memory_updated: as in `mnad.FrameScores`.
        local: (S,) float64, local errors in the boxes of the evidence, dB.
        local_error: in the box of the column of that name, dB.
        gap: whether the row of frames broke since the moment before: windows began anew, and so must all that
            is smoothed over time.
        profile: of the camera, or None.
        error: (C, H, W) squared errors, pixels in [0, 1], on the model's device.
        gaze: where local errors were looked for.
    """

    frame: int
    seconds: float
    picture: np.ndarray
    psnr: float
    feature_distance: float
    point_score: float
    memory_updated: bool
    local: np.ndarray
    local_error: float
    gap: bool
    profile: str | None
    error: Tensor
    gaze: Gaze

    def error_map(self) -> np.ndarray:
        """Where in the frame the point score comes from, (H, W) float32, as `evaluate --maps` has it."""
        levels: np.ndarray = error_map(self.error).cpu().numpy()
        return levels

    def place(self, box: int | None = None) -> Place:
        """Where in the frame the error is, in one of the S boxes; None is the box of the column."""
        return self.gaze.table.place(self.error, 0) if box is None else self.gaze.boxes.place(self.error, box)


def moment_of(
    frame: TimedFrame, profile: str | None, looks: Looks, scores: FrameScores, index: int, *, gap: bool
) -> Moment:
    """The moment of a scored frame.

    Args:
        frame, profile: it.
        looks, scores: of the frames that were scored with it.
        index: of the frame in these.
        gap: whether the row of frames broke before it.
    """
    return Moment(
        frame=frame.number,
        seconds=frame.seconds,
        picture=frame.picture,
        psnr=float(scores.psnr[index]),
        feature_distance=float(scores.feature_distance[index]),
        point_score=float(scores.point_score[index]),
        memory_updated=bool(scores.memory_updated[index]),
        local=looks.local[index],
        local_error=looks.table[index],
        gap=gap,
        profile=profile,
        error=looks.error[index],
        gaze=looks.gaze,
    )


class MomentStream:
    """One video, pushed frame by frame.

    A corrupt frame is not scored, and neither is a window that would reach over it, or over a gap of more
    than a second, or from one profile into another: windows begin anew.

    Args:
        scorer: what the model and its memory are; their state is this video's alone.
        gaze: where local errors are looked for, on the model's device.
        window: T.
        size: height and width of what the model sees.
        batch: windows that are scored at a time; with 1, each frame's moment is there at once.
        profiler: of the video.
    """

    def __init__(
        self,
        scorer: Scorer,
        gaze: Gaze,
        *,
        window: int,
        size: tuple[int, int],
        batch: int = 1,
        profiler: Profiler | None = None,
    ) -> None:
        self._profiler = profiler
        self._profile: str | None = None
        self._gaze = gaze
        self._window, self._batch = window, batch
        self._geometry = Geometry(height=size[0], width=size[1])
        self._device = gaze.boxes.keep.device
        self._batches: deque[VideoBatch] = deque()
        self._scored = scorer.scored(_drawn(self._batches))
        self._waiting: deque[tuple[TimedFrame, str | None]] = deque()
        self._before: float | None = None
        self._broke = False
        self._begin()

    def push(self, frame: TimedFrame) -> list[Moment]:
        """Take the next frame, later than the one before; returns the moments that are there now, in order.

        Raises:
            CheckpointError: the model gives something that is no number.
        """
        is_late = self._before is not None and frame.seconds - self._before > GAP
        self._before = frame.seconds
        found = self._break() if is_late or frame.is_corrupt else []
        if frame.is_corrupt:
            return found
        small = frame.small
        if small is None:
            (small,) = resized([frame.picture], (self._geometry.height, self._geometry.width))
        found += self._turned(replace(frame, picture=small))
        self._seen += 1
        if self._seen >= self._window:
            self._waiting.append((frame, self._profile))
        return found + self._moments(self._windows.push(torch.from_numpy(small[None]).to(self._device)))

    def finish(self) -> list[Moment]:
        """The moments that are still to come of what was pushed.

        Raises:
            CheckpointError: as `push`.
        """
        return self._moments(self._windows.rest())

    def _turned(self, frame: TimedFrame) -> list[Moment]:
        """Take the profile of a frame, at the model's size; what is still to come of the one before."""
        if self._profiler is None:
            return []
        before, self._profile = self._profile, self._profiler(frame)
        return self._break() if before is not None and before != self._profile else []

    def _begin(self) -> None:
        self._windows = SlidingWindow(window=self._window, batch=self._batch)
        self._seen = 0

    def _break(self) -> list[Moment]:
        found = self.finish()
        self._begin()
        self._broke = True
        return found

    def _moments(self, windows: Iterable[tuple[np.ndarray, Tensor]]) -> list[Moment]:
        found: list[Moment] = []
        for numbers, stored in windows:
            self._batches.append(
                VideoBatch(video=0, frames=numbers, windows=normalise(stored, self._geometry))
            )
            found += self._told(next(self._scored))
        return found

    def _told(self, scored: ScoredBatch) -> Iterator[Moment]:
        """The moments of a batch."""
        looks = self._gaze.looks(scored.seen.error)
        for index in range(len(scored.frames)):
            frame, profile = self._waiting.popleft()
            yield moment_of(frame, profile, looks, scored.scores, index, gap=self._broke)
            self._broke = False


def _drawn(batches: deque[VideoBatch]) -> Iterator[VideoBatch]:
    """Whatever is put into a queue, which must never be empty when it is asked for."""
    while True:
        yield batches.popleft()


def moments(
    frames: Iterable[TimedFrame],
    scorer: Scorer,
    gaze: Gaze,
    *,
    window: int,
    size: tuple[int, int],
    batch: int,
) -> Iterator[Moment]:
    """The moments of one video, lazily; the arguments are those of `MomentStream`.

    Raises:
        CheckpointError: the model gives something that is no number.
    """
    stream = MomentStream(scorer, gaze, window=window, size=size, batch=batch)
    for frame in frames:
        yield from stream.push(frame)
    yield from stream.finish()
