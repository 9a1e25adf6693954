"""Windows for the check and for int8: of the video that the model was trained on, where that is there."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import CheckpointError
from pipeline.runs.checkpoint import Checkpoint
from pipeline.runs.layout import home_of
from pipeline.runs.ownership import recorded_location
from pipeline.runs.trainedon import held_out_of, rate_of
from shards.choices import Split
from shards.errors import ShardError
from shards.frames import video_frames
from shards.identity import split_identity
from shards.manifest import Manifest, load_manifest
from shards.storage import Storage

_SPLIT: Split = "training"
GENERATED = "generated frames"
_KEPT = 5
"""Where nothing was kept aside, the last one in so many frames of each video stands for it."""
_RATE = 25.0
"""Frames per second that are taken where nobody knows the rate."""
_CLIP = 200
_MOST_CLIPS = 4
"""Frames of a clip, and clips, of what was kept aside: in float32, 256x256 runs at 2 frames/s."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Frames [start, end) of a training video."""

    video: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Material:
    """The shard set that a model was trained on.

    Attributes:
        storage, manifest: the set.
        window: T.
        rate: frames per second.
        trained, kept: what of it was trained on, and what was kept aside.
        threads: that read and decode.
    """

    storage: Storage
    manifest: Manifest
    window: int
    rate: float
    trained: tuple[Part, ...]
    kept: tuple[Part, ...]
    threads: int

    def frames(self, part: Part) -> np.ndarray:
        """(F, H, W, 3) uint8."""
        frames = video_frames(
            self.storage,
            self.manifest,
            _SPLIT,
            part.video,
            start=part.start,
            end=part.end,
            threads=self.threads,
        )
        return np.stack([picture for _, picture in frames])

    def sampled(self, count: int) -> Tensor:
        """Windows (count, T, H, W, 3) uint8, evenly over what was trained on."""
        starts = [
            (part, start) for part in self.trained for start in range(part.start, part.end - self.window + 1)
        ]
        if not starts:
            raise CheckpointError(
                f"{self.storage}: found no training video of {self.window} frames, expected some; give the "
                "set that the model was trained on with --shards"
            )
        chosen = [starts[i] for i in np.linspace(0, len(starts) - 1, count).round().astype(int)]
        return torch.from_numpy(np.stack(list(self._windows(chosen))))

    def clips(self) -> list[np.ndarray]:
        """Some of what was kept aside, evenly over it: clips (F, H, W, 3) uint8 of at least four seconds.

        Raises:
            CheckpointError: there is none.
        """
        least = self.window + round(4 * self.rate)
        clips = [
            Part(video=part.video, start=start, end=min(part.end, start + max(_CLIP, least)))
            for part in self.kept
            for start in range(part.start, part.end - least + 1, max(_CLIP, least))
        ]
        if not clips:
            raise CheckpointError(
                f"{self.storage}: found no {least} frames in a row that were kept aside, expected some for "
                "int8; train with --hold-out, or take bf16"
            )
        chosen = np.linspace(0, len(clips) - 1, min(len(clips), _MOST_CLIPS)).round().astype(int)
        return [self.frames(clips[index]) for index in chosen]

    def _windows(self, chosen: list[tuple[Part, int]]) -> Iterator[np.ndarray]:
        for part, start in chosen:
            yield self.frames(Part(video=part.video, start=start, end=start + self.window))


def material(checkpoint: Checkpoint, location: str, shards: str | None, threads: int) -> Material | None:
    """The shard set that a checkpoint was trained on; None where nobody names one, or it is not there.

    Args:
        checkpoint: trained.
        location: of its run.
        shards: where the set is; None is where the run says.
        threads: that read and decode.

    Raises:
        CheckpointError: the set that was given is another one.
        ConfigError: where the run says may not be used, see `recorded_location`.
        ShardError: the set that was given cannot be read.
    """
    given = recorded_location(Storage(home_of(location)), "train", "shards") if shards is None else shards
    if given is None:
        return None
    storage = Storage(given)
    try:
        manifest = load_manifest(storage)
    except (ShardError, OSError):
        if shards is None:
            return None
        raise
    data = checkpoint.origin.get("data")
    if not isinstance(data, dict) or data.get(_SPLIT) != split_identity(manifest, _SPLIT):
        if shards is None:
            return None
        raise CheckpointError(
            f"{storage}: found another {_SPLIT} split than {checkpoint.name} was trained on, expected that; "
            "give it with --shards"
        )
    trained, kept = _parts(checkpoint, manifest)
    return Material(
        storage=storage,
        manifest=manifest,
        window=checkpoint.spec.window,
        rate=rate_of(checkpoint.origin) or _RATE,
        trained=trained,
        kept=kept,
        threads=threads,
    )


def _parts(checkpoint: Checkpoint, manifest: Manifest) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """What was trained on, and what was kept aside or stands for it."""
    held_out = {part.video: part for part in held_out_of(checkpoint.origin)}
    trained, kept = [], []
    for index, video in enumerate(manifest.split(_SPLIT)):
        part = held_out.get(video.name)
        if part is not None:
            trained.append(Part(video=index, start=0, end=min(video.frames, part.start - part.gap)))
            kept.append(Part(video=index, start=part.start, end=min(video.frames, part.end)))
        elif held_out:
            trained.append(Part(video=index, start=0, end=video.frames))
        else:
            border = video.frames - video.frames // _KEPT
            trained.append(Part(video=index, start=0, end=border))
            kept.append(Part(video=index, start=border, end=video.frames))
    return tuple(part for part in trained if part.end > 0), tuple(kept)


def generated(checkpoint: Checkpoint, size: tuple[int, int], count: int) -> Tensor:
    """Windows (count, T, H, W, 3) uint8 of a square that walks over a gradient, where there is no video."""
    height, width = size
    window = checkpoint.spec.window
    y, x = np.ogrid[:height, :width]
    frames = np.empty((count + window - 1, height, width, 3), np.uint8)
    frames[:] = ((y + 2 * x) % 200 + 20)[..., None]
    edge = min(height, width) // 4
    for index, frame in enumerate(frames):
        left = 3 * index % (width - edge)
        frame[height // 3 : height // 3 + edge, left : left + edge] = 40 + 17 * index % 200
    return torch.from_numpy(frames).unfold(0, window, 1).permute(0, 4, 1, 2, 3).contiguous()
