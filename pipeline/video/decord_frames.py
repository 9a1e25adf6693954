"""The owner of decord: frames of regular video files, for `--decoder decord`."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import decord
import numpy as np

from pipeline.errors import SourceError

decord.logging.set_level(decord.logging.ERROR)


def frames(path: Path, name: str, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Every frame once, in order, uint8 (H, W, 3) RGB.

    Reads forward only: seeking in a file with B-frames returns other frames than asked for. decord passes
    damage in silence, but the FFmpeg inside it prints what it stumbles over: while frames are drawn, this
    process's standard error is watched, which only a worker can afford.

    Args:
        path: of the file.
        name: of the file, for messages.
        size: height and width that its frames must have.

    Raises:
        SourceError: decord does not read it, or met with damage; some frames may have come before.
    """
    with tempfile.TemporaryFile() as noise:
        standard_error = os.dup(2)
        os.dup2(noise.fileno(), 2)
        try:
            yield from _frames(path, name, size)
        finally:
            os.dup2(standard_error, 2)
            os.close(standard_error)
        noise.seek(0)
        first_line = noise.readline().decode(errors="replace").strip()
        if first_line:
            raise SourceError(f"{name}: decord met with damage: {first_line}; use --decoder auto")


def _frames(path: Path, name: str, size: tuple[int, int]) -> Iterator[np.ndarray]:
    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
        while True:
            frame = reader.next().asnumpy()
            if frame.shape != (*size, 3):  # seen with narrow pictures, whose rows FFmpeg pads
                raise SourceError(
                    f"{name}: decord gives frames {frame.shape}, expected {(*size, 3)}; use --decoder auto"
                )
            yield frame
    except StopIteration:
        return
    except (decord.DECORDError, RuntimeError, AssertionError) as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
        raise SourceError(f"{name}: decord does not read it: {reason}; use --decoder auto") from error
