"""Tiny surveillance videos: people who walk, and, where asked for, something that never occurs in training.

Frames are uint8 (H, W, 3) BGR. The anomaly is a large bright block that crosses the scene fast.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

_MILLISECOND = Fraction(1, 1000)
_REPEATABLE = {"libx264": {"mbtree": "0"}}
"""Options by encoder without which the same frames give other bytes, by what the process did before: with
AVX-512, x264's macroblock tree reads memory that nobody has written (core 165)."""


def scene(
    frames: int, *, size: tuple[int, int] = (64, 64), seed: int = 0, abnormal: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """A scene (frames, H, W, 3): a still background and three walkers; in [start, end) a fast block too."""
    height, width = size
    random = np.random.default_rng(seed)
    background = cv2.GaussianBlur(random.integers(60, 120, (height, width, 3), np.uint8), (9, 9), 0)
    rows = random.integers(height // 4, height - height // 6, 3)
    starts = random.uniform(0, width, 3)
    speeds = random.uniform(0.4, 0.8, 3) * width / 64
    result = np.repeat(background[None], frames, 0)
    for number, frame in enumerate(result):
        for row, start, speed in zip(rows, starts, speeds, strict=True):
            x = int(start + speed * number) % width
            cv2.rectangle(
                frame, (x, int(row)), (x + width // 20, int(row) + height // 8), (30, 40, 50), cv2.FILLED
            )
        if abnormal[0] <= number < abnormal[1]:
            x = int(5.0 * width / 64 * (number - abnormal[0])) % width
            cv2.rectangle(frame, (x, height // 3), (x + width // 6, height // 2), (240, 250, 230), cv2.FILLED)
    return result


def tinted(frames: np.ndarray, *, is_gray: bool) -> np.ndarray:
    """Frames without colour, or with much of it, about as bright."""
    gray = np.repeat(frames.mean(axis=3, keepdims=True), 3, axis=3)
    return (gray * ([1.0, 1.0, 1.0] if is_gray else [0.5, 1.0, 1.2])).clip(0, 255).astype(np.uint8)


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    codec: str = "libx264",
    rate: int = 25,
    pixels: str = "yuv420p",
    options: dict[str, str] | None = None,
    times: Sequence[int] | None = None,
) -> Path:
    """Encode frames with PyAV; the container follows the suffix.

    Args:
        path: of the file; its folder is made.
        frames: uint8 (H, W, 3) BGR, H and W even for most codecs.
        codec, rate, pixels, options: of the encoder.
        times: presentation time of each frame in 1/1000 s, for uneven timestamps.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            codec, rate=rate, options={**_REPEATABLE.get(codec, {}), **(options or {})}
        )
        assert isinstance(stream, av.VideoStream)
        stream.pix_fmt = pixels
        stream.codec_context.thread_count = 1  # by their number, encoders give other bytes
        if times is not None:
            stream.codec_context.time_base = stream.time_base = _MILLISECOND
        for number, frame in enumerate(frames):
            if number == 0:
                stream.height, stream.width = frame.shape[:2]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="bgr24")
            if times is not None:
                picture.pts, picture.time_base = times[number], _MILLISECOND
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_images(
    folder: Path, frames: Iterable[np.ndarray], *, first: int = 0, pattern: str = "{:03d}.png"
) -> Path:
    """Write frames as numbered images; the format follows the pattern's suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames, start=first):
        path = folder / pattern.format(number)
        ok, data = cv2.imencode(path.suffix, frame)
        assert ok
        path.write_bytes(data.tobytes())
    return folder


def surveillance_set(
    root: Path,
    *,
    training: int = 2,
    testing: int = 2,
    frames: int = 24,
    size: tuple[int, int] = (64, 64),
    images: bool = False,
) -> np.ndarray:
    """A whole set, `{training,testing}/{videos/NN.mp4 | frames/NN/NNN.png}`, with its label file.

    The second half of each testing video is abnormal but for its last two frames.

    Returns:
        Labels (testing * frames,) bool, also in `frame_labels.npy`.
    """
    for split, count in (("training", training), ("testing", testing)):
        for number in range(1, count + 1):
            span = (frames // 2, frames - 2) if split == "testing" else (0, 0)
            made = scene(frames, size=size, seed=number + 100 * (split == "testing"), abnormal=span)
            if images:
                write_images(root / split / "frames" / f"{number:02d}", made)
            else:
                write_video(root / split / "videos" / f"{number:02d}.mp4", made)
    one = np.zeros(frames, bool)
    one[frames // 2 : frames - 2] = True
    labels = np.tile(one, testing)
    np.save(root / "frame_labels.npy", labels.astype(np.uint8)[None])
    return labels
