"""The small set: `{training,testing}/videos/NN.mp4` and `frame_labels.npy`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.errors import SourceError
from pipeline.synthesize.config import SynthesizeConfig
from pipeline.synthesize.footage import drawn, write_video
from pipeline.synthesize.scene import EVENTS, Event, View, Walker, background, pedestrian, unusual
from pipeline.synthesize.summary import Summary
from pipeline.terminal.progress import progress

PEDESTRIANS_PER_FRAME = 1 / 14
"""Pedestrians of a clip per frame of its length: four or five are in view at a time."""


def draw_clips(config: SynthesizeConfig, view: View) -> Summary:
    """Write the set into a new or empty folder."""
    out = Path(config.out)
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
            frames, abnormal = clip(scene, config.frames, event, view, rng)
            write_video(out / split / "videos" / f"{index + 1:02d}.mp4", frames, config.rate)
            if split == "testing":
                labels.append(abnormal)
            advance(detail=f"{split}/{index + 1:02d}")
    path = out / "frame_labels.npy"
    flat = np.concatenate(labels).astype(np.int8)
    np.save(path, flat)
    return Summary(
        videos=len(clips), frames=len(clips) * config.frames, abnormal=int(flat.sum()), labels=str(path)
    )


def clip(
    scene: np.ndarray, frames: int, event: Event | None, view: View, rng: np.random.Generator
) -> tuple[Iterator[np.ndarray], np.ndarray]:
    """One video: its frames, uint8 (H, W), and whether its event is in view in each, bool (frames,).

    Args:
        scene: the empty walkway, uint8 (H, W).
        frames: of the clip.
        event: what happens twice in it, to two people at a time, or None for ordinary life.
        view: what the camera sees of people.
        rng: source of everything random; the frames draw from it, too.
    """
    count = max(4, round(frames * PEDESTRIANS_PER_FRAME))
    walkers = [pedestrian(rng, (0, frames), view) for _ in range(count)]
    events = list(_events(event, frames, view, rng)) if event else []
    abnormal = [any(walker.is_in_view(frame, view) for walker in events) for frame in range(frames)]
    return drawn(scene, [*walkers, *events], frames, view, rng), np.array(abnormal)


def _events(event: Event, frames: int, view: View, rng: np.random.Generator) -> Iterator[Walker]:
    for part in (0, 1):
        length = int(rng.integers(frames // 7, frames // 5))
        start = part * frames // 2 + int(rng.integers(frames // 12, frames // 2 - length))
        yield from unusual(event, rng, start, length, view)
