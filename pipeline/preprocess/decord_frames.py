"""Frames of regular video files: the owner of decord."""

from collections.abc import Iterator
from pathlib import Path

import decord
import numpy as np

from pipeline.errors import SourceError


def frames(path: Path, name: str) -> Iterator[np.ndarray]:
    """Every frame once, in order, uint8 (H, W, 3) BGR.

    Reads forward only: seeking in a file with B-frames returns other frames than asked for.

    Args:
        path: of the file.
        name: of the file, for messages.

    Raises:
        SourceError: decord does not read it.
    """
    try:
        reader = decord.VideoReader(str(path), ctx=decord.cpu(0), num_threads=1)
    except (decord.DECORDError, RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[-1:] or ["no reason given"]
        raise SourceError(f"{name}: decord does not open it: {reason[0]}; try --decoder pyav") from error
    while True:
        try:
            frame = reader.next()
        except StopIteration:
            return
        except decord.DECORDError as error:
            raise SourceError(f"{name}: decord stopped with an error; try --decoder pyav") from error
        # A view with the channels turned round: the resize copies anyway.
        yield frame.asnumpy()[..., ::-1]
