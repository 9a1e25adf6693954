"""Writes the synthetic set: `{training,testing}/videos/NN.mp4` and `frame_labels.npy`."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.errors import SourceError
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.scene import EVENTS, Event, Walker, background, draw, pedestrian, unusual
from pipeline.terminal.progress import progress
from shards.errors import os_error_line
from shards.locations import shown
from shards.opencv import cv2

FPS = 15
PEDESTRIANS_PER_FRAME = 1 / 14
"""Pedestrians of a clip per frame of its length: four or five are in view at a time."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was written.

    Attributes:
        videos, frames: of both splits.
        abnormal: testing frames labelled abnormal.
        labels: path of the label file.
    """

    videos: int
    frames: int
    abnormal: int
    labels: str


def synthesize(config: SynthesizeConfig) -> Summary:
    """Write the set.

    Raises:
        SourceError: the folder holds something already, or cannot be written.
    """
    out = Path(config.out)
    try:
        return _synthesize(config, out)
    except OSError as error:
        raise SourceError(f"{shown(config.out)}: cannot be written: {os_error_line(error, '')}") from error


def _synthesize(config: SynthesizeConfig, out: Path) -> Summary:
    if out.exists() and any(out.iterdir()):
        raise SourceError(f"{out}: found files, expected a new or empty folder; remove it or name another")
    rng = np.random.default_rng(config.seed)
    scene = background(config.size, rng)
    labels: list[np.ndarray] = []
    clips = [("training", index) for index in range(config.training_clips)]
    clips += [("testing", index) for index in range(config.testing_clips)]
    with progress("synthesize", len(clips), "videos") as advance:
        for split, index in clips:
            event = EVENTS[index % len(EVENTS)] if split == "testing" else None
            frames, abnormal = zip(*clip(scene, config.frames, event, rng), strict=True)
            _write(out / split / "videos" / f"{index + 1:02d}.mp4", frames)
            if split == "testing":
                labels.append(np.array(abnormal))
            advance(detail=f"{split}/{index + 1:02d}")
    path = out / "frame_labels.npy"
    flat = np.concatenate(labels).astype(np.int8)
    np.save(path, flat)
    return Summary(
        videos=len(clips), frames=len(clips) * config.frames, abnormal=int(flat.sum()), labels=str(path)
    )


def clip(
    scene: np.ndarray, frames: int, event: Event | None, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, bool]]:
    """Frames of one video, uint8 (H, W), each with whether its event is in view.

    Args:
        scene: the empty walkway, uint8 (H, W).
        frames: of the clip.
        event: what happens twice in it, to two people at a time, or None for ordinary life.
        rng: source of everything random.
    """
    aspect = scene.shape[1] / scene.shape[0]
    walkers = [pedestrian(rng, frames, aspect) for _ in range(max(4, round(frames * PEDESTRIANS_PER_FRAME)))]
    events = list(_events(event, frames, aspect, rng)) if event else []
    for frame in range(frames):
        picture = scene.copy()
        present = False
        for walker in sorted([*walkers, *events], key=lambda w: w.y + w.dy * frame):
            visible = draw(picture, walker, frame)
            present = present or (visible and walker in events)
        noise = rng.normal(0, 2, picture.shape)
        yield np.clip(picture + noise, 0, 255).astype(np.uint8), present


def _events(event: Event, frames: int, aspect: float, rng: np.random.Generator) -> Iterator[Walker]:
    for part in (0, 1):
        length = int(rng.integers(frames // 7, frames // 5))
        start = part * frames // 2 + int(rng.integers(frames // 12, frames // 2 - length))
        first = unusual(event, rng, start, length, aspect)
        yield first
        yield replace(first, x=first.x + 0.14, y=first.y - 0.09, phase=first.phase + 1)


def _write(path: Path, frames: tuple[np.ndarray, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (width, height))
    if not writer.isOpened():
        raise SourceError(f"{path}: OpenCV cannot write mp4 video here")
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR))
    writer.release()
    written = int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT))  # OpenCV tells of no failure
    if written != len(frames):
        raise SourceError(
            f"{path}: found {written} frames written, expected {len(frames)}; make room, or name another"
        )
