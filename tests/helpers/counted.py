"""Videos whose frames say their number, to find out which frames came out of a file."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from pipeline.video.pyav_frames import Findings, frames

Tracks = Sequence[np.ndarray]


_BITS = 6


def counter(count: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """Frames uint8 (count, *size, 3) of columns that are dark or bright as the bits of the frame's number."""
    bits = np.arange(count)[:, None] >> np.arange(_BITS) & 1
    columns = np.repeat(40 + 160 * bits, -(-size[1] // _BITS), axis=1)[:, : size[1]]
    return np.broadcast_to(columns[:, None, :, None], (count, *size, 3)).astype(np.uint8)


def numbers(pictures: Sequence[np.ndarray] | np.ndarray) -> list[int]:
    """Inverse of `counter`, whatever a codec did to the levels."""
    found = []
    for picture in pictures:
        width = -(-picture.shape[1] // _BITS)
        levels = [picture[:, bit * width : (bit + 1) * width].mean() for bit in range(_BITS)]
        found.append(sum(int(level > 120) << bit for bit, level in enumerate(levels)))
    return found


def decode(path: Path) -> tuple[list[np.ndarray], Findings]:
    """All frames of a file as they are stored, before the resize, and what decoding found."""
    findings = Findings()
    return [np.asarray(frame) for frame in frames(path, path.name, findings)], findings


def write_tracks(
    path: Path,
    tracks: Tracks,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    dispositions: Sequence[av.stream.Disposition] | None = None,
) -> Path:
    """Encode equally long videos into one file, interleaved.

    Args:
        path: of the file; its folder is made.
        tracks: frames uint8 (F, H, W, 3) BGR of each.
        codec, pixels: of the encoder.
        dispositions: marks of each track; those that the container gives by itself if left out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        streams = []
        for number, pictures in enumerate(tracks):
            stream = container.add_stream(codec, rate=25)
            assert isinstance(stream, av.VideoStream)
            stream.height, stream.width = pictures.shape[1:3]
            stream.pix_fmt = pixels
            if dispositions is not None:
                stream.disposition = dispositions[number]
            streams.append(stream)
        for together in zip(*tracks, strict=True):
            for stream, picture in zip(streams, together, strict=True):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path
